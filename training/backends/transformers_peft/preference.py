"""Fitting an adapter to pairs of answers: direct preference optimisation with the chosen answer's likelihood beside it.

With c and r the chosen and the rejected answer, p the model and q the reference, the loss of a pair is

    -log sigmoid(beta * ((log p(c) - log q(c)) - (log p(r) - log q(r)))) - w * log p(c) / tokens(c)

(Rafailov et al. 2023, arXiv:2305.18290; the second term as Pang et al. 2024, arXiv:2404.19733). The reference is the
model as training starts: the base itself where the adapter is fresh, else the base with the adapter that training
continues. Its log-probabilities are computed once, row by row, so a resumed training has the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from training.backends.local.training_loop import Learner
from training.backends.transformers_peft.fitting import TorchLearner
from training.backends.transformers_peft.lora import load_adapter
from training.backends.transformers_peft.loss.chunked_loss import RowLosses, row_losses_of
from training.examples import PairRow, TokenRow, answer_tokens
from training.records import PreferenceSettings, TrainSettings

Reference = Mapping[TokenRow, float]
"""A row to the reference's log-probability of its answer (nats)."""


@contextmanager
def learning_pairs(
    adapted: AbstractContextManager[Any],
    settings: TrainSettings,
    preference: PreferenceSettings,
    rows: Sequence[PairRow],
    start: Path | None,
) -> Iterator[Learner]:
    """Yield the learner of the PEFT model that ``adapted`` yields; ``start`` holds the adapter it continues."""
    with adapted as model:
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            if start is not None:
                load_adapter(model, start)
            losses = row_losses_of(settings)
            loss = PairLoss(losses, preference, reference_of(model, losses, rows))
            yield PairLearner(model, settings, loss)


def reference_of(model: Any, losses: RowLosses, rows: Sequence[PairRow]) -> dict[TokenRow, float]:
    """Return the log-probability (nats) of every answer of ``rows`` by the model as it is, without dropout."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            sides = dict.fromkeys(side for row in rows for side in (row.chosen, row.rejected))
            return {side: -float(losses(model, [side])[0]) for side in sides}
    finally:
        model.train(was_training)


class PairLoss:
    """The summed loss of pairs; it remembers how likely their chosen answers were."""

    def __init__(self, losses: RowLosses, preference: PreferenceSettings, reference: Reference) -> None:
        self._losses, self._preference, self._reference = losses, preference, reference
        self.gains: list[float] = []

    def __call__(self, model: Any, rows: Sequence[TokenRow]) -> Tensor:
        """Return the sum over ``rows``, which are pairs, of their losses: a scalar."""
        pairs = [row for row in rows if isinstance(row, PairRow)]
        chosen, rejected = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
        log_probs = -self._losses(model, [*chosen, *rejected])  # (2 pairs,)
        known = [self._reference[row] for row in (*chosen, *rejected)]
        moved = log_probs - torch.tensor(known, device=log_probs.device)  # (2 pairs,)
        tokens = torch.tensor([float(answer_tokens([row])) for row in chosen], device=log_probs.device)  # (pairs,)
        self.gains += (moved[: len(pairs)].detach() / tokens).tolist()
        return preference_losses(moved, log_probs[: len(pairs)] / tokens, self._preference).sum()


def preference_losses(moved: Tensor, chosen_each: Tensor, preference: PreferenceSettings) -> Tensor:
    """Return the loss of each pair, (pairs,).

    Args:
        moved: log-probabilities minus the reference's, chosen answers first, then rejected: (2 pairs,), nats.
        chosen_each: log-probability of each chosen answer for each of its tokens: (pairs,), nats.
    """
    chosen, rejected = moved.chunk(2)
    return -logsigmoid(preference.beta * (chosen - rejected)) - preference.nll_weight * chosen_each


class PairLearner(TorchLearner):
    """A PEFT model whose adapter trains on pairs; a step's loss is the mean over its pairs."""

    def __init__(self, model: Any, settings: TrainSettings, loss: PairLoss) -> None:
        super().__init__(model, settings, loss, len)
        self._pairs = loss

    def train_step(self, batches: Sequence[Sequence[TokenRow]], learning_rate: float, seed: int) -> tuple[float, float]:
        """Make one optimizer step over pairs."""
        self._pairs.gains.clear()
        return super().train_step(batches, learning_rate, seed)

    def chosen_gain(self) -> float | None:
        """Return how far the chosen answers of the last step had moved from the reference, nats per answer token."""
        gains = self._pairs.gains
        return sum(gains) / len(gains) if gains else None
