"""Every backend learns from answers alone, ends with the same bytes however often it is stopped, and moves no base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.model_work import EXAMPLES, LORA, TRAIN, Watch
from tests.support.settings import model_settings
from training.backends import Backend
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.hooks import NoHooks
from training.models import check_settings
from training.records import LoraSettings, StepRecord

OPTIMIZER = "optimizer.safetensors"


def mean_loss(steps: list[StepRecord]) -> float:
    return sum(step.loss for step in steps) / len(steps)


def require_possible(backend: Backend, lora: LoraSettings) -> None:
    """Skip where the backend refuses an adapter of this kind before it reads a weight, with its reason."""
    settings = model_settings("tiny_random:llama", quantization=backend.quantizations[0], device="cpu")  # type: ignore[arg-type]
    try:
        check_settings(backend.name, settings, lora)
    except Refusal as refusal:
        pytest.skip(refusal.sentence)


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}, {"dropout": 0.2}])
def test_training_learns_and_leaves_the_base_as_it_was(
    packed: Any, backend: Backend, tmp_path: Path, kind: dict[str, Any]
) -> None:
    from safetensors.numpy import load_file

    lora = replace(LORA, **kind)
    require_possible(backend, lora)
    before, watch = packed.log_prob("local x", " = 1"), Watch()
    steps = replace(TRAIN, max_steps=18, checkpoint_every=6)
    result = packed.train(EXAMPLES, lora, steps, tmp_path, watch)
    assert (result.status, result.step, result.targets, result.examples) == ("finished", 18, 4, 24)
    assert [one.step for one in result.checkpoints] == [6, 12, 18]
    assert list(result.checkpoints) == watch.checkpoints
    assert mean_loss(watch.steps[-6:]) < mean_loss(watch.steps[:6]) - 0.1
    saved = load_file(result.checkpoints[-1].folder / ADAPTER_WEIGHTS)
    assert result.trainable == sum(result.patterns.values()) == sum(tensor.size for tensor in saved.values())
    assert packed.log_prob("local x", " = 1") == before


@pytest.mark.parametrize("stop_after", [3, 4])
def test_a_stop_and_a_resume_end_with_the_bytes_of_a_straight_run(model: Any, tmp_path: Path, stop_after: int) -> None:
    lora, settings = replace(LORA, dropout=0.1), replace(TRAIN, max_steps=8, grad_accum=2)
    stopped = model.train(EXAMPLES, lora, settings, tmp_path / "stopped", Watch(stop_after))
    assert (stopped.status, stopped.step, stopped.checkpoints[-1].step) == ("stopped", stop_after, stop_after)
    finished = model.train(EXAMPLES, lora, settings, tmp_path / "stopped", NoHooks())
    straight = model.train(EXAMPLES, lora, settings, tmp_path / "straight", NoHooks())
    assert (finished.status, finished.resumed_from) == ("finished", stop_after)
    for ours, theirs in zip(finished.checkpoints, straight.checkpoints, strict=True):
        assert (ours.step, ours.digest) == (theirs.step, theirs.digest)
        for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG, OPTIMIZER):
            assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes()


def test_training_that_is_done_returns_at_once(model: Any, tmp_path: Path) -> None:
    first = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    watch = Watch()
    again = model.train(EXAMPLES, LORA, TRAIN, tmp_path, watch)
    assert watch.steps == []
    assert again.checkpoints == first.checkpoints
    assert again.resumed_from == 6


def test_a_damaged_newest_checkpoint_is_quarantined_and_made_again(model: Any, tmp_path: Path) -> None:
    first = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    (first.checkpoints[-1].folder / OPTIMIZER).write_bytes(b"rot")
    again = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert again.resumed_from == 4
    assert again.checkpoints == first.checkpoints
    assert again.quarantined[0].startswith("step-000006: ")


def test_checkpoints_of_another_run_are_not_resumed(model: Any, packed: Any, tmp_path: Path) -> None:
    model.train(EXAMPLES, LORA, TRAIN, tmp_path, Watch(2))
    with pytest.raises(Refusal, match=r"lora\.r = 4, now it is 8"):
        model.train(EXAMPLES, replace(LORA, r=8), TRAIN, tmp_path, NoHooks())
    with pytest.raises(Refusal, match="other examples"):
        model.train(EXAMPLES[1:], LORA, TRAIN, tmp_path, NoHooks())
    with pytest.raises(Refusal, match="another base model"):
        packed.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())


def test_a_training_may_continue_with_another_ones_adapter_and_is_stopped_and_resumed_as_any(
    model: Any, tmp_path: Path
) -> None:
    first = model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=12), tmp_path / "first", NoHooks()).checkpoints[-1]
    fresh, watch = Watch(), Watch()
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "fresh", fresh)
    straight = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "straight", watch, first.folder)
    assert watch.steps[0].loss < fresh.steps[0].loss, "its first step knows what the other training learnt"
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", Watch(3), first.folder)
    resumed = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", NoHooks(), first.folder)
    assert [one.digest for one in resumed.checkpoints] == [one.digest for one in straight.checkpoints]
    with pytest.raises(Refusal, match="started from another adapter"):
        model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", NoHooks())


def test_accumulated_batches_learn_as_one_large_batch(model: Any, tmp_path: Path) -> None:
    split, whole = Watch(), Watch()
    one = replace(TRAIN, max_steps=3, group_by_length=False)
    model.train(EXAMPLES, LORA, replace(one, batch_size=4, grad_accum=2), tmp_path / "split", split)
    model.train(EXAMPLES, LORA, replace(one, batch_size=8), tmp_path / "whole", whole)
    assert [record.loss for record in split.steps] == pytest.approx([record.loss for record in whole.steps], rel=1e-4)


def test_gradient_checkpointing_learns_the_same(model: Any, tmp_path: Path) -> None:
    plain, saving = Watch(), Watch()
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "plain", plain)
    model.train(EXAMPLES, LORA, replace(TRAIN, gradient_checkpointing=True), tmp_path / "saving", saving)
    assert [one.loss for one in saving.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)


def test_the_loss_probed_is_the_loss_of_a_first_step_and_keeps_nothing(model: Any, tmp_path: Path) -> None:
    before, watch = model.log_prob("local x", " = 1"), Watch()
    probed = model.probe_step(EXAMPLES[:4], LORA, TRAIN)
    assert model.probe_step(EXAMPLES[:4], LORA, TRAIN) == probed
    model.train(EXAMPLES[:4], LORA, replace(TRAIN, max_steps=1), tmp_path, watch)
    assert watch.steps[0].loss == pytest.approx(probed, rel=1e-5)
    assert model.log_prob("local x", " = 1") == before


def test_an_adapter_over_its_size_limit_is_refused_before_a_step(model: Any, tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(Refusal, match=r"train\.max_adapter_mb is 0\.001"):
        model.train(EXAMPLES, LORA, replace(TRAIN, max_adapter_mb=0.001), tmp_path, watch)
    assert watch.steps == []


def test_rows_that_do_not_fit_are_dropped_by_name(model: Any, tmp_path: Path) -> None:
    long = replace(EXAMPLES[3], answer="9 " * 300)
    found = model.encoded([*EXAMPLES[:3], long], replace(TRAIN, max_length=64))
    assert (len(found.rows), found.dropped) == (3, ("row 3",))


def test_a_misspelt_module_and_a_layer_out_of_range_are_refused(model: Any) -> None:
    with pytest.raises(Refusal) as refused:
        model.probe_step(EXAMPLES, replace(LORA, target_modules=("q_proj", "v_prj")), TRAIN)
    assert refused.value.fix == 'Did you mean "v_proj"?'
    with pytest.raises(Refusal, match="the model has 4 layers"):
        model.probe_step(EXAMPLES, replace(LORA, layers=(4,)), TRAIN)


def test_no_layers_means_all_of_them(model: Any, tmp_path: Path) -> None:
    assert (
        model.train(EXAMPLES, replace(LORA, layers=()), replace(TRAIN, max_steps=1), tmp_path, NoHooks()).targets == 8
    )
