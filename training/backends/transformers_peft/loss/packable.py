"""Whether a model computes each example of a packed row as if it stood alone: by its kinds of layer, then by trying."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from env.machine.out_of_memory import ran_out_of_memory
from env.refusal import Refusal
from training.backends.transformers_peft.loss.laying_out import kept_apart, padded
from training.examples import TokenRow
from training.packing import packed

# Their masks follow from positions. The others carry a state from token to token, or cut the row at fixed places.
_PACKABLE = {"full_attention", "sliding_attention", "moe", "mlp"}
_LONG, _SHORT = 24, 17
# Mean difference of a logit in spreads of the logits, over the positions after a border: rounding stays below; where an
# example saw another one, 29 architectures with random weights were 0.3 to 1.2 off.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.01, torch.bfloat16: 0.05}
_LOOKED_AT = 6


def require_packable(model: Any) -> None:
    """Raise Refusal where an example of a packed row would see another one; dropout is off meanwhile.

    Args:
        model: a causal language model of transformers, perhaps with an adapter.
    """
    text = model.config.get_text_config()
    odd = sorted(set(getattr(text, "layer_types", None) or ()) - _PACKABLE)
    if odd:
        raise _refused(f"layers of kind {', '.join(odd)} read past the border between two rows")
    try:
        difference = _difference(model, text.vocab_size)
    except (ValueError, TypeError, RuntimeError) as error:
        if ran_out_of_memory(error):
            raise
        raise _refused(f"{text.model_type} takes no masks of packed rows ({error})") from error
    if not difference <= _TOLERANCE[model.dtype]:
        raise _refused(
            f"in {text.model_type} a row would see the one before it (logits differ by {difference:.2g} spreads)"
        )


@torch.no_grad()
def _difference(model: Any, vocabulary: int) -> float:
    """Return by how much the logits after a border differ from those of the example alone, in spreads of the logits."""
    draw = torch.Generator().manual_seed(0)
    rows = [TokenRow(tuple(torch.randint(vocabulary, (size,), generator=draw).tolist()), 1) for size in (_LONG, _SHORT)]
    was_training = model.training
    model.eval()
    try:
        # two rows: some kernels take packed ones only where there is one
        beside = _logits(model, [packed(rows), packed(rows[::-1])])
        alone = [_logits(model, [row])[0] for row in rows]
    finally:
        model.train(was_training)
    pairs = [(beside[0, _LONG : _LONG + _LOOKED_AT], alone[1]), (beside[1, _SHORT : _SHORT + _LOOKED_AT], alone[0])]
    return max(float((found - own[:_LOOKED_AT]).abs().mean() / own.std()) for found, own in pairs)


def _logits(model: Any, rows: list[TokenRow]) -> Tensor:
    """Return logits (rows, longest row, vocabulary)."""
    ids, _ = padded(rows, model.device)
    logits: Tensor = model(input_ids=ids, use_cache=False, **kept_apart(model, rows)).logits
    return logits.float()


def _refused(why: str) -> Refusal:
    return Refusal(f"gate.c.train.packing=true: {why}.", "Set gate.c.train.packing=false.")
