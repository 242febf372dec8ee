"""Preference training as a recipe: what ends it, what its settings refuse, and what its results depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.refusal import Refusal
from gates import GATES
from gates.c_training.hooks import PairHooks, read_metrics
from gates.settings import planned_trainings
from runner.runs.config import compose_experiment
from tests.support.contexts import gate_context
from training.loss_watch import ChosenWatch
from training.records import StepRecord

DPO = ["profile=smoke", "gate/c=dpo"]


def record(step: int, chosen: float) -> StepRecord:
    return StepRecord(step, 0.7, 0.001, 1.0, 100, 0.01, step / 10, chosen)


def test_chosen_answers_that_become_less_likely_end_it_only_on_average() -> None:
    watch = ChosenWatch(0.1, 3)
    assert [watch.fall(gain) for gain in (0.0, -0.5, 0.3, -0.05)] == ["", "", "", ""]
    assert watch.fall(-0.6).startswith("the log-probability of chosen answers fell: by 0.117 nats a token")


def hooks_in(folder: Path) -> PairHooks:
    experiment = compose_experiment([*DPO, "gate.c.dpo.chosen_fall_steps=3", "gate.c.dpo.chosen_fall_nats=0.1"])[0]
    settings = experiment.gate.c.preference
    assert settings is not None
    return PairHooks(gate_context(folder, experiment, "c"), 20, folder, settings)


def test_a_fall_ends_training_and_names_the_last_step_before_it(tmp_path: Path) -> None:
    hooks = hooks_in(tmp_path)
    for step in range(1, 8):
        hooks.on_step(record(step, 0.2 if step < 5 else -0.4))
        if hooks.has_ended():
            break
    # steps 4 to 6 average -0.2, so the checkpoint of step 3 is the last one before
    assert (step, hooks.good_until) == (6, 3)
    assert "fell" in hooks.fell


def test_a_fall_is_seen_at_the_same_step_after_a_resume(tmp_path: Path) -> None:
    before = hooks_in(tmp_path)
    for step in range(1, 6):
        before.on_step(record(step, 0.2 if step < 5 else -0.4))
    assert not before.has_ended()
    after = hooks_in(tmp_path)
    # resumed from the checkpoint of step 4
    for step in (5, 6):
        after.on_step(record(step, -0.4))
    assert (after.has_ended(), after.good_until) == (True, 3)
    assert [row["chosen"] for row in read_metrics(after.metrics)] == [0.2] * 4 + [-0.4] * 2


def test_steps_on_rows_are_stored_without_a_key_of_pairs(tmp_path: Path) -> None:
    from gates.c_training.hooks import Hooks

    hooks = Hooks(gate_context(tmp_path, compose_experiment(["profile=smoke"])[0], "c"), 5)
    hooks.on_step(StepRecord(1, 0.7, 0.001, 1.0, 100, 0.01, 0.1))
    assert "chosen" not in read_metrics(hooks.metrics)[0]


@pytest.mark.parametrize("backend", ["mlx", "unsloth"])
def test_a_backend_that_trains_on_no_pairs_is_refused_by_name(backend: str) -> None:
    with pytest.raises(
        Refusal, match=f"the backend {backend} trains on no pairs of answers; backend=transformers_peft"
    ):
        compose_experiment([*DPO, f"backend={backend}"])


@pytest.mark.parametrize("key", ["beta", "nll_weight", "learning_rate", "chosen_fall_nats"])
def test_a_key_of_the_loss_must_be_above_0(key: str) -> None:
    with pytest.raises(Refusal, match=rf"gate\.c\.dpo\.{key}"):
        compose_experiment([*DPO, f"gate.c.dpo.{key}=0"])


def test_the_recipe_without_its_keys_is_refused() -> None:
    with pytest.raises(Refusal, match="choose gate/c=dpo"):
        compose_experiment(["profile=smoke", "gate.c.recipe=dpo"])


def test_verdicts_and_draws_are_inputs_of_preference_training_and_of_no_other_training() -> None:
    config = compose_experiment(DPO)[1]
    assert {"verifier", "sampling"} <= set(GATES["c"].uses_under(config))
    assert "dpo" in GATES["c"].own_keys(config)
    assert "dpo" not in GATES["c"].own_keys(compose_experiment(["profile=smoke"])[1])


def test_the_drawers_checkpoint_can_be_chosen_beside_those_of_the_pairs() -> None:
    experiment = compose_experiment([*DPO, "gate.c.train.max_steps=6", "gate.c.train.checkpoint_every=3"])[0]
    planned = planned_trainings(experiment, 60)
    assert [(one.round, one.arm, one.checkpoints) for one in planned] == [(0, "", 1), (1, "", 2)]
