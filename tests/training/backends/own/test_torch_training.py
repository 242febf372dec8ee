"""Training learns from answers alone, ends with the same bytes however often it is stopped, and moves nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

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


def test_only_answers_are_learned_and_padding_changes_nothing(llama: Path) -> None:
    base = load_whole(llama)._loaded.model
    rows = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]
    expected = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        scores = base(input_ids=ids).logits[0, row.prompt_length - 1 : -1]
        expected += float(cross_entropy(scores, ids[0, row.prompt_length :], reduction="sum"))
    assert float(batch_loss(base, rows)) == pytest.approx(expected, rel=1e-5)
    assert answer_tokens(rows) == 9


def test_evaluating_first_does_not_stop_training(llama: Path) -> None:
    # bitsandbytes repacks CPU weights in the first eval forward on AVX512_BF16 processors; then there is no gradient
    fresh = load(llama)
    expected = load(llama).probe_step(EXAMPLES, LORA, TRAIN)
    before = logits(fresh._loaded.model)
    assert fresh.probe_step(EXAMPLES, LORA, TRAIN) == expected
    assert torch.equal(logits(fresh._loaded.model), before)


def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_good_checkpoint(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def poisoned(wrapped: Any, rows: Any) -> Any:
        return batch_loss(wrapped, rows) * (float("nan") if next(calls) == 4 else 1.0)

    monkeypatch.setattr(transformers_model, "loss_of", lambda settings: poisoned)
    with pytest.raises(TrainingDiverged, match=r"at step 5: loss nan; checkpoint step-000004 is good") as diverged:
        model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert (diverged.value.step, diverged.value.last_good.step) == (5, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000004"]


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


def test_the_global_random_stream_is_left_alone(model: Any, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.train(EXAMPLES, replace(LORA, dropout=0.1), replace(TRAIN, max_steps=2), tmp_path, NoHooks())
    assert torch.equal(torch.rand(3), expected)
