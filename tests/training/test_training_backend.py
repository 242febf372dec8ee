"""Training learns from answers alone, ends with the same bytes however often it is stopped, and moves nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from env.refusal import Refusal
from tests.support.model_work import EXAMPLES, LORA, TRAIN, Watch, load, load_whole, logits
from training.backends.transformers_peft import fitting
from training.backends.transformers_peft import model as transformers_model
from training.backends.transformers_peft.fitting import batch_loss
from training.examples import TokenRow, answer_tokens
from training.hooks import NoHooks
from training.records import TrainingDiverged


@pytest.fixture(scope="module")
def model(llama: Path) -> Any:
    return load(llama)


def test_only_answers_are_learnt_and_padding_changes_nothing(llama: Path) -> None:
    base = load_whole(llama)._loaded.model
    rows = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]
    expected = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        scores = base(input_ids=ids).logits[0, row.prompt_length - 1 : -1]
        expected += float(cross_entropy(scores, ids[0, row.prompt_length :], reduction="sum"))
    assert float(batch_loss(base, rows)) == pytest.approx(expected, rel=1e-5)
    assert answer_tokens(rows) == 9


def test_accumulated_batches_learn_as_one_large_batch(model: Any, tmp_path: Path) -> None:
    split, whole = Watch(), Watch()
    one = replace(TRAIN, max_steps=3, group_by_length=False)
    model.train(EXAMPLES, LORA, replace(one, batch_size=4, grad_accum=2), tmp_path / "split", split)
    model.train(EXAMPLES, LORA, replace(one, batch_size=8), tmp_path / "whole", whole)
    assert [record.loss for record in split.steps] == pytest.approx([record.loss for record in whole.steps], rel=1e-4)


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}, {"dropout": 0.2}])
def test_training_learns_and_leaves_the_base_as_it_was(model: Any, tmp_path: Path, kind: dict[str, Any]) -> None:
    before, watch = logits(model._loaded.model), Watch()
    result = model.train(EXAMPLES, replace(LORA, **kind), replace(TRAIN, max_steps=12), tmp_path, watch)
    assert (result.status, result.step, result.targets, result.examples) == ("finished", 12, 4, 24)
    assert [one.step for one in result.checkpoints] == [2, 4, 6, 8, 10, 12]
    assert list(result.checkpoints) == watch.checkpoints
    assert watch.steps[-1].loss < watch.steps[0].loss - 0.5
    assert torch.equal(logits(model._loaded.model), before)


def test_evaluating_first_does_not_stop_training(llama: Path) -> None:
    # bitsandbytes repacks CPU weights in the first eval forward on AVX512_BF16 processors; then there is no gradient
    fresh = load(llama)
    expected = load(llama).probe_step(EXAMPLES, LORA, TRAIN)
    before = logits(fresh._loaded.model)
    assert fresh.probe_step(EXAMPLES, LORA, TRAIN) == expected
    assert torch.equal(logits(fresh._loaded.model), before)


@pytest.mark.parametrize("stop_after", [3, 4])
def test_stopping_saves_and_going_on_ends_with_the_same_bytes(model: Any, tmp_path: Path, stop_after: int) -> None:
    stopped = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", Watch(stop_after))
    assert (stopped.status, stopped.step, stopped.checkpoints[-1].step) == ("stopped", stop_after, stop_after)
    finished = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", NoHooks())
    undisturbed = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "undisturbed", NoHooks())
    assert (finished.status, finished.resumed_from) == ("finished", stop_after)
    assert [(one.step, one.digest) for one in finished.checkpoints] == [
        (one.step, one.digest) for one in undisturbed.checkpoints
    ]


def test_training_that_is_done_returns_at_once(model: Any, tmp_path: Path) -> None:
    first = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    watch = Watch()
    again = model.train(EXAMPLES, LORA, TRAIN, tmp_path, watch)
    assert watch.steps == []
    assert again.checkpoints == first.checkpoints
    assert again.resumed_from == 6


def test_a_damaged_newest_checkpoint_is_quarantined_and_made_again(model: Any, tmp_path: Path) -> None:
    first = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    (first.checkpoints[-1].folder / "optimizer.safetensors").write_bytes(b"rot")
    again = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert again.resumed_from == 4
    assert again.checkpoints == first.checkpoints
    assert again.quarantined[0].startswith("step-000006: ")


def test_checkpoints_of_other_settings_are_not_gone_on_from(model: Any, tmp_path: Path) -> None:
    model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=6), tmp_path, Watch(2))
    with pytest.raises(Refusal, match=r"lora\.r = 4, now it is 8"):
        model.train(EXAMPLES, replace(LORA, r=8), TRAIN, tmp_path, NoHooks())
    with pytest.raises(Refusal, match="other examples"):
        model.train(EXAMPLES[1:], LORA, TRAIN, tmp_path, NoHooks())


def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_good_checkpoint(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def poisoned(wrapped: Any, rows: Any) -> Any:
        return batch_loss(wrapped, rows) * (float("nan") if next(calls) == 4 else 1.0)

    monkeypatch.setattr(transformers_model, "batch_loss", poisoned)
    with pytest.raises(TrainingDiverged, match=r"at step 5: loss nan; checkpoint step-000004 is good") as diverged:
        model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert (diverged.value.step, diverged.value.last_good.step) == (5, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000004"]


def test_gradient_checkpointing_learns_the_same(model: Any, tmp_path: Path) -> None:
    plain, saving = Watch(), Watch()
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "plain", plain)
    model.train(EXAMPLES, LORA, replace(TRAIN, gradient_checkpointing=True), tmp_path / "saving", saving)
    assert [one.loss for one in saving.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)
    assert not model._loaded.model.is_gradient_checkpointing


@pytest.mark.parametrize("first_scale", [2.0**12, 2.0**40])
def test_float16_learns_what_float32_learns(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_scale: float
) -> None:
    # the second scale overflows, and is halved until it does not
    halved, whole = Watch(), Watch()
    load_whole(llama).train(EXAMPLES, LORA, TRAIN, tmp_path / "float32", whole)
    monkeypatch.setattr(fitting, "first_loss_scale", lambda dtype: first_scale)
    load_whole(llama, dtype="float16").train(EXAMPLES, LORA, TRAIN, tmp_path / "float16", halved)
    assert [one.loss for one in halved.steps] == pytest.approx([one.loss for one in whole.steps], rel=0.01)
    assert [one.grad_norm for one in halved.steps] == pytest.approx([one.grad_norm for one in whole.steps], rel=0.05)


def test_only_float16_needs_its_losses_scaled() -> None:
    scales = {dtype: fitting.first_loss_scale(dtype) for dtype in (torch.float16, torch.bfloat16, torch.float32)}
    assert scales == {torch.float16: 4096.0, torch.bfloat16: 1.0, torch.float32: 1.0}


def test_training_while_an_adapter_is_applied_is_an_error(model: Any, tmp_path: Path) -> None:
    adapter = model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path, NoHooks()).checkpoints[-1]
    with model.adapter(adapter.folder, 1.0), pytest.raises(RuntimeError, match="while an adapter is applied"):
        model.probe_step(EXAMPLES, LORA, TRAIN)


def test_the_global_random_stream_is_left_alone(model: Any, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.train(EXAMPLES, replace(LORA, dropout=0.1), replace(TRAIN, max_steps=2), tmp_path, NoHooks())
    assert torch.equal(torch.rand(3), expected)
