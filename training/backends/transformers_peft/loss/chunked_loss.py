"""The loss over a large vocabulary in chunks of answer tokens: the logits of a chunk exist, never those of a batch.

The head is frozen, so the gradient with respect to a hidden state is known as soon as its logits are: it is computed in
the forward pass, and no logits are kept for the backward pass (the fused linear cross-entropy of Hsu et al. 2024,
arXiv:2410.10989, in plain torch). Padding and prompts get no logits at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from env.refusal import Refusal
from training.backends.transformers_peft.fitting import Loss, batch_loss
from training.backends.transformers_peft.loss.laying_out import kept_apart, padded
from training.examples import TokenRow
from training.records import TrainSettings

# Both ways round differently; a head whose logits are capped or scaled afterwards is off by far more.
_TOLERANCE = 5e-3


def loss_of(settings: TrainSettings) -> Loss:
    """Return the loss that ``settings.logit_chunk`` asks for."""
    return _ChunkedLoss(settings.logit_chunk) if settings.logit_chunk else batch_loss


class _ChunkedLoss:
    """Computes logits of ``chunk`` answer tokens at a time; compares itself with the plain loss on the first rows."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._is_proven = False

    def __call__(self, model: Any, rows: Sequence[TokenRow]) -> Tensor:
        """Return the summed negative log-likelihood (nats) of the rows' answers.

        Raises:
            Refusal: the model does more to its logits than its head, or computes in float16.
        """
        base = model.get_base_model()
        if not self._is_proven:
            self._prove(model, base, rows)
        return self._loss(base, rows)

    def _loss(self, base: Any, rows: Sequence[TokenRow]) -> Tensor:
        ids, labels = padded(rows, base.device)
        hidden = base.get_decoder()(input_ids=ids, use_cache=False, **kept_apart(base, rows)).last_hidden_state
        wanted = labels[:, 1:] != -100
        summed: Tensor = _InChunks.apply(  # type: ignore[no-untyped-call]
            hidden[:, :-1][wanted], labels[:, 1:][wanted], base.get_output_embeddings(), self._chunk
        )
        return summed

    def _prove(self, model: Any, base: Any, rows: Sequence[TokenRow]) -> None:
        """Raise Refusal where the loss of the shortest row is not the plain one; dropout is off meanwhile."""
        if base.dtype == torch.float16:
            raise Refusal(
                f"gate.c.train.logit_chunk={self._chunk}: in float16 small gradients would become 0.",
                "Set gate.c.train.logit_chunk=0, or model.dtype=bfloat16.",
            )
        shortest = [min(rows, key=lambda row: len(row.ids))]
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                expected, found = float(batch_loss(model, shortest)), float(self._loss(base, shortest))
        finally:
            model.train(was_training)
        if abs(found - expected) > _TOLERANCE * (1.0 + abs(expected)):
            raise Refusal(
                f"gate.c.train.logit_chunk={self._chunk}: in chunks the loss of a row is {found:.4f}, as the model "
                f"computes it {expected:.4f}; this model does more to its logits than its head.",
                "Set gate.c.train.logit_chunk=0.",
            )
        self._is_proven = True


class _InChunks(torch.autograd.Function):
    """Summed cross-entropy of ``head(hidden)`` against ``targets``.

    Args:
        hidden: (tokens, hidden size).
        targets: (tokens,) ids.
        head: (n, hidden size) to (n, vocabulary); not trained.
        chunk: tokens whose logits exist at once.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, head: Callable[[Tensor], Tensor], chunk: int) -> Tensor:
        gradient = torch.empty_like(hidden)
        summed = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), chunk):
            part = hidden[start : start + chunk].detach().requires_grad_()
            with torch.enable_grad():
                loss = cross_entropy(head(part).float(), targets[start : start + chunk], reduction="sum")
            (gradient[start : start + chunk],) = torch.autograd.grad(loss, part)
            summed += loss.detach()
        ctx.save_for_backward(gradient)
        return summed

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return gradient * factor.to(gradient.dtype), None, None, None
