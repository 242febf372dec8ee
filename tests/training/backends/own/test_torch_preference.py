"""Preference training: the loss is the published one, resumes to the bit, and starts at its reference."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import LORA, TRAIN, Watch, load, load_whole
from training.backends.transformers_peft.fitting import batch_loss, row_losses
from training.backends.transformers_peft.loss.chunked_loss import row_losses_of
from training.backends.transformers_peft.preference import PairLoss, preference_losses, reference_of
from training.checkpoints import ADAPTER_WEIGHTS
from training.examples import PairRow, TokenRow
from training.hooks import NoHooks
from training.records import Pair, PreferenceSettings

PREFER = PreferenceSettings(beta=0.5, nll_weight=2.0)
PAIRS = [
    Pair(f"make item {number}", f"item{number} = {{ right = {number} }}", f"-- wrong {number}", f"pair {number}")
    for number in range(8)
]
OPTIMIZER = "optimizer.safetensors"


@pytest.fixture(scope="module")
def model(llama: Path) -> Any:
    return load(llama)


def test_the_loss_of_pairs_is_the_one_computed_by_hand() -> None:
    """Two pairs. The first: beta 0.5 * (1 - (-3)) = 2, -log sigmoid(2) = log(1 + e^-2), minus 2 * (-0.25) a token.

    The second has not moved: log 2, minus 2 * (-1).
    """
    moved = torch.tensor([1.0, 0.0, -3.0, 0.0])  # chosen, chosen, rejected, rejected
    losses = preference_losses(moved, torch.tensor([-0.25, -1.0]), PREFER)
    assert losses.shape == (2,)
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-2.0)) + 0.5, math.log(2.0) + 2.0])


def test_the_loss_of_a_batch_follows_from_log_probabilities_of_the_model(llama: Path) -> None:
    base = load_whole(llama)._loaded.model
    rows = [PairRow((*range(2, 9), *range(2, 6), 30, 31), 4, 7), PairRow((5, 6, 7, 8, 5, 6, 9), 2, 4)]
    known = {side: -1.0 for row in rows for side in (row.chosen, row.rejected)}
    loss = PairLoss(row_losses, PREFER, known)
    expected = 0.0
    for row in rows:
        chosen, rejected = (-float(batch_loss(base, [side])) for side in (row.chosen, row.rejected))
        margin = PREFER.beta * ((chosen + 1.0) - (rejected + 1.0))
        tokens = len(row.chosen.ids) - row.prompt_length
        expected += math.log1p(math.exp(-margin)) - PREFER.nll_weight * chosen / tokens
    assert float(loss(base, rows)) == pytest.approx(expected, rel=1e-5)
    assert len(loss.gains) == 2


def test_a_row_s_loss_is_the_same_alone_beside_others_and_in_chunks(model: Any, tmp_path: Path) -> None:
    from training.backends.transformers_peft.fitting import trainable_here

    rows = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]
    with trainable_here(model._loaded.model, LORA, TRAIN) as wrapped:
        together = row_losses(wrapped, rows)
        assert together.shape == (3,)
        assert float(together.detach().sum()) == pytest.approx(float(batch_loss(wrapped, rows).detach()), rel=1e-5)
        chunked = row_losses_of(replace(TRAIN, logit_chunk=2))(wrapped, rows)
        assert chunked.detach().tolist() == pytest.approx(together.detach().tolist(), rel=1e-4)
        weights = torch.tensor([1.0, -2.0, 0.5])
        gradients = []
        for losses in (together, chunked):
            wrapped.zero_grad()
            (losses * weights).sum().backward()
            found = [p.grad.flatten() for p in wrapped.parameters() if p.requires_grad and p.grad is not None]
            gradients.append(torch.cat(found))
        assert torch.allclose(*gradients, rtol=1e-3, atol=1e-5)


def test_training_starts_at_its_reference_and_then_prefers_the_chosen_answers(model: Any, tmp_path: Path) -> None:
    watch = Watch()
    settings = replace(TRAIN, max_steps=12, checkpoint_every=12)
    result = model.train_pairs(PAIRS, PREFER, LORA, settings, tmp_path, watch)
    first, last = watch.steps[0], watch.steps[-1]
    assert first.chosen == pytest.approx(0.0, abs=1e-5)
    assert last.loss < first.loss
    assert last.chosen is not None
    assert last.chosen > 0
    with model.adapter(result.checkpoints[-1].folder, 1.0):
        after = [model.log_prob(p.prompt, p.chosen) - model.log_prob(p.prompt, p.rejected) for p in PAIRS]
    before = [model.log_prob(p.prompt, p.chosen) - model.log_prob(p.prompt, p.rejected) for p in PAIRS]
    assert sum(after) > sum(before)


def test_the_reference_of_a_continued_adapter_is_that_adapter(model: Any, tmp_path: Path) -> None:
    settings = replace(TRAIN, max_steps=4, checkpoint_every=4)
    begun = model.train_pairs(PAIRS, PREFER, LORA, settings, tmp_path / "first", NoHooks()).checkpoints[-1]
    watch = Watch()
    model.train_pairs(PAIRS, PREFER, LORA, settings, tmp_path / "second", watch, begun.folder)
    assert watch.steps[0].chosen == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("stop_after", [3, 5])
def test_pairs_resume_to_the_bytes_of_a_straight_run(model: Any, tmp_path: Path, stop_after: int) -> None:
    lora, settings = replace(LORA, dropout=0.1), replace(TRAIN, max_steps=6, grad_accum=2, checkpoint_every=6)
    begun = model.train_pairs(
        PAIRS, PREFER, lora, replace(settings, max_steps=2, checkpoint_every=2), tmp_path / "a", NoHooks()
    )
    start = begun.checkpoints[-1].folder
    stopped = model.train_pairs(PAIRS, PREFER, lora, settings, tmp_path / "b", Watch(stop_after), start)
    assert (stopped.status, stopped.step) == ("stopped", stop_after)
    resumed = model.train_pairs(PAIRS, PREFER, lora, settings, tmp_path / "b", NoHooks(), start)
    straight = model.train_pairs(PAIRS, PREFER, lora, settings, tmp_path / "c", NoHooks(), start)
    assert (resumed.status, resumed.resumed_from) == ("finished", stop_after)
    for name in (ADAPTER_WEIGHTS, OPTIMIZER):
        ours, theirs = (one.checkpoints[-1].folder / name for one in (resumed, straight))
        assert ours.read_bytes() == theirs.read_bytes()
    with pytest.raises(Refusal, match=r"another gate\.c\.dpo"):
        model.train_pairs(PAIRS, replace(PREFER, beta=0.2), lora, settings, tmp_path / "b", NoHooks(), start)


def test_a_hook_that_ends_leaves_the_checkpoints_before_it(model: Any, tmp_path: Path) -> None:
    class Ends(Watch):
        def has_ended(self) -> bool:
            return len(self.steps) == 5

    settings = replace(TRAIN, max_steps=8, checkpoint_every=2)
    result = model.train_pairs(PAIRS, PREFER, LORA, settings, tmp_path, Ends())
    assert (result.status, result.step) == ("ended", 5)
    assert [one.step for one in result.checkpoints] == [2, 4]


def test_a_pair_with_one_answer_too_long_is_dropped_as_a_whole_and_named(model: Any, tmp_path: Path) -> None:
    long = Pair("make", "x = 1", "y" * 400, "the long one")
    settings = replace(TRAIN, max_steps=1, checkpoint_every=1, max_length=80)
    result = model.train_pairs([*PAIRS, long], PREFER, LORA, settings, tmp_path, NoHooks())
    assert (result.examples, result.dropped_rows) == (len(PAIRS), ("the long one",))
    with pytest.raises(Refusal, match="no pair of answers"):
        model.train_pairs([], PREFER, LORA, settings, tmp_path, NoHooks())


@pytest.mark.parametrize("key", ["beta", "nll_weight"])
def test_the_likelihood_term_and_beta_are_mandatory(key: str) -> None:
    with pytest.raises(Refusal, match=rf"gate\.c\.dpo\.{key} = 0\.0"):
        replace(PREFER, **{key: 0.0})


def test_the_reference_is_computed_without_dropout_and_leaves_the_mode_as_it_was(model: Any) -> None:
    from training.backends.transformers_peft.fitting import trainable_here

    rows = [PairRow((*range(2, 9), *range(2, 6), 30, 31), 4, 7)]
    with trainable_here(model._loaded.model, replace(LORA, dropout=0.5), TRAIN) as wrapped:
        wrapped.train()
        assert reference_of(wrapped, row_losses, rows) == reference_of(wrapped, row_losses, rows)
        assert wrapped.training
