"""Minutes follow from a measured batch and a measured step; a call is about a minute of work, and threads are kept."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from env.estimates import about
from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from gates.a_environment import speed
from gates.a_environment.gate import time_checks
from gates.a_environment.speed import GenerationSpeed, call_size, fastest, time_batches
from gates.measuring.bench import dataset_of
from gates.measuring.pace import as_recorded, gate_durations
from gates.measuring.search import planned_cells
from gates.report.results import Generations, Pace
from gates.settings import planned_trainings, planned_work
from runner.runs.config import compose_experiment
from tests.support.settings import model_settings, prompt_form
from tests.support.written import steps_of
from training.backends.base import Completion, DrawStep

PACE = Pace(
    load_s=10, rows=16, tokens_per_s=300, measured_s=20, tokens_each=90, judged_per_s=1000, train_tokens_per_s=500,
    tokens_per_step=2000, threads=6, samples_per_call=200, call_reason="",
)  # fmt: skip
GENERATIONS = Generations(base=1000, sweep=2000, grid=4000, decision=500, usual=3000, cells=9)
FORM = prompt_form()


def test_each_gate_s_minutes_follow_from_its_samples_or_steps() -> None:
    found = {gate: duration.seconds for gate, duration in gate_durations(PACE, GENERATIONS, 50).items()}
    assert found == {"b": 310.0, "c": 210.0, "d": 610.0, "e": 160.0}
    basis = gate_durations(PACE, GENERATIONS, 50)
    assert basis["b"].basis == "1,000 samples of 90 tokens at 300 tokens a second"
    assert basis["c"].basis == "50 steps of 4.0 s, 2,000 tokens each"


def test_a_slow_verifier_sets_the_time_and_nothing_drawn_takes_none() -> None:
    slow = PACE.model_copy(update={"judged_per_s": 2})
    assert gate_durations(slow, GENERATIONS, 1)["b"].seconds == 510.0
    max_t = GENERATIONS.model_copy(update={"decision": 0})
    assert (gate_durations(PACE, max_t, 1)["e"].seconds, gate_durations(PACE, max_t, 1)["e"].basis) == (
        10.0, "nothing is generated",
    )  # fmt: skip


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (95, "2 min"), (5990, "1 h 40")])
def test_an_estimate_reads_as_one(seconds: float, text: str) -> None:
    assert about(seconds) == text


@dataclass
class Typist:
    """A model whose every sample takes ``length`` tokens, at a pace that its clock tells."""

    length: int
    step_s: float
    now_s: float = 0.0
    drawn: int = 0
    choices: dict[str, str] = field(default_factory=dict)

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DrawStep, None, None]:
        self.drawn = sum(len(request.seeds) for request in requests)
        for step in steps_of(requests, lambda _prompt, seed: Completion("", "stop", self.length + seed % 2)):
            self.now_s += self.step_s
            yield step

    def clock(self) -> float:
        return self.now_s

    def apply_chat_template(self, user: str, form: PromptForm) -> str:
        return user


def timed(model: Any, *overrides: str) -> speed.GenerationSpeed:
    experiment = compose_experiment(["profile=smoke", "model.batch_size=16", *overrides])[0]
    tasks = [task for task in dataset_of(experiment).tasks if task.split == "dev"]
    [found], limit = time_batches(model, experiment, tasks, FORM, lambda _: None, model.clock)
    assert limit == ""
    return found


def test_a_batch_as_large_as_the_experiment_s_is_timed_until_half_of_it_has_ended() -> None:
    model = Typist(length=80, step_s=0.05)
    found = timed(model)
    assert (found.rows, model.drawn) == (16, 16)
    assert found.tokens_per_s == pytest.approx(16 / 0.05, rel=0.02)
    assert 80 <= found.tokens_each <= 101, "half ended at 80, the others are taken to end between 81 and 160"


def test_a_slow_model_is_timed_for_twenty_seconds_and_its_samples_are_taken_to_end_halfway() -> None:
    found = timed(Typist(length=150, step_s=1.0))
    assert found.seconds == 20.0
    assert found.tokens_per_s == pytest.approx(16)
    assert found.tokens_each == 90, "none has ended: halfway from 20 to 160"


class Crowded(Typist):
    """As fast with any number of rows as with 8; memory runs out above ``most`` rows."""

    most = 10**9

    def draw(self, requests: Sequence[GenerationRequest], settings: SamplingSettings) -> Any:
        rows = sum(len(request.seeds) for request in requests)
        self.step_s = max(1, rows // 8) / 100
        if rows > self.most:
            self.choices["batch_size"] = f"{rows // 2}: memory ran out with {rows} rows"
        return super().draw(requests, settings)


def timed_sizes(model: Crowded, sizes: str) -> tuple[list[GenerationSpeed], str]:
    experiment = compose_experiment(["profile=smoke", f"model.batch_size={sizes}"])[0]
    tasks = [task for task in dataset_of(experiment).tasks if task.split == "dev"]
    return time_batches(model, experiment, tasks, FORM, lambda _: None, model.clock)


def test_each_size_is_timed_and_the_smallest_that_is_nearly_the_fastest_is_kept() -> None:
    found, limit = timed_sizes(Crowded(length=80, step_s=0.0), "[16,2,8]")
    assert ([speed.rows for speed in found], limit) == ([2, 8, 16], "")
    assert [speed.tokens_per_s for speed in found] == pytest.approx([200, 800, 800], rel=0.02)
    assert fastest(found).rows == 8


def test_a_size_that_runs_out_of_memory_ends_the_timing() -> None:
    model = Crowded(length=80, step_s=0.0)
    model.most = 8
    found, limit = timed_sizes(model, "[2,4,16]")
    assert ([speed.rows for speed in found], limit) == ([2, 4], "8: memory ran out with 16 rows")
    model = Crowded(length=80, step_s=0.0)
    model.most = 8
    found, limit = timed_sizes(model, "[16,32]")
    assert ([speed.rows for speed in found], limit) == ([8], "8: memory ran out with 16 rows")


def test_a_size_that_the_dev_tasks_cannot_fill_is_not_timed() -> None:
    found, limit = timed_sizes(Crowded(length=80, step_s=0.0), "[4,5000]")
    assert [speed.rows for speed in found] == [4]
    assert limit.startswith("5000 rows: the dev tasks fill only ")


def test_a_run_keeps_the_batch_size_that_gate_a_chose() -> None:
    several = replace(model_settings("model"), batch_size=(16, 64))
    assert as_recorded(several, PACE.model_copy(update={"batch_size": 64})).batch_sizes == (64,)
    assert as_recorded(several, PACE).batch_sizes == (16, 64)
    one = replace(several, batch_size=8)
    assert as_recorded(one, PACE.model_copy(update={"batch_size": 64})).batch_size == 8


@pytest.mark.parametrize("wrong", ["0", "[]", "[0,4]", "[a]", "1.5"])
def test_a_wrong_batch_size_is_refused_by_its_key(wrong: str) -> None:
    with pytest.raises(Refusal, match=r"^model\.batch_size( = .*)?: must be [^;]*, or a list of [a-z ]+\.") as refused:
        compose_experiment(["profile=smoke", f"model.batch_size={wrong}"])
    assert "tuple" not in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "tokens_per_s", "each", "size", "says"),
    [
        # 60 s at 300 tokens a second are 200 samples of 90: twelve batches of 16
        (["model.batch_size=16"], 300.0, 90.0, 192, "about 58 s of work at 300 tokens a second"),
        (["model.batch_size=16", "model.processes=2"], 300.0, 90.0, 192, "about 58 s"),
        # half a batch would be a minute: it stays whole, and says so
        (["model.batch_size=64"], 10.0, 100.0, 64, "about 640 s of work at 10 tokens a second, one whole batch"),
        (["model.batch_size=256"], 1e6, 90.0, 4096, "about 0 s"),
        (["sampling.samples_per_call=7"], 300.0, 90.0, 7, "requested"),
    ],
)
def test_a_call_is_about_a_minute_of_work_in_whole_batches(
    overrides: list[str], tokens_per_s: float, each: float, size: int, says: str
) -> None:
    asked = ["profile=smoke", "sampling.samples_per_call=0", "model.processes=1", *overrides]
    experiment = compose_experiment(asked)[0]
    found, reason = call_size(experiment, experiment.model.batch_sizes[0], tokens_per_s, each)
    assert (found, reason[: len(says)]) == (size, says)


def test_gate_a_says_the_time_of_every_gate_with_its_basis() -> None:
    planned = type("Planned", (), {"generations": GENERATIONS})()
    time, call = time_checks(PACE, planned, (50, 0))
    assert time.value == "about 22 min: B 5 min, C 4 min, D 10 min, E 3 min"
    assert time.evidence[1] == "C: 50 steps of 4.0 s, 2,000 tokens each"
    assert call.value == "200 samples"
    assert time_checks(None, planned, (50, 0)) == []


def test_answers_that_gate_c_draws_take_their_time_beside_its_steps() -> None:
    steps_alone, drawing = (gate_durations(PACE, GENERATIONS, 50, draws)["c"] for draws in (0, 1000))
    assert drawing.seconds - steps_alone.seconds == pytest.approx(1000 * PACE.tokens_each / PACE.tokens_per_s)
    assert drawing.basis == f"{steps_alone.basis}; 1,000 samples of 90 tokens at 300 tokens a second"


def test_every_training_of_rejection_sampling_is_planned() -> None:
    experiment = compose_experiment(["gate/c=rft", "gate.c.rft.rounds=2", "gate.c.rft.tasks=100"])[0]
    planned = [
        (one.round, one.arm, one.settings.max_steps, one.checkpoints) for one in planned_trainings(experiment, 800)
    ]
    assert planned == [(0, "", 60, 1), (1, "", 120, 3), (2, "", 120, 3), (2, "gold", 120, 1), (2, "unjudged", 120, 1)]
    assert planned_work(experiment, 800) == (540, 1600)
    assert planned_cells(experiment, 800) == 7 * 3


def test_a_run_keeps_the_threads_that_gate_a_chose_however_busy_the_machine_is_later() -> None:
    settings = model_settings("model")
    assert as_recorded(settings, PACE).threads == 6
    assert as_recorded(replace(settings, processes=4), PACE).threads == 1
    assert as_recorded(replace(settings, threads=2), PACE).threads == 2
    assert as_recorded(settings, None).threads == 0
