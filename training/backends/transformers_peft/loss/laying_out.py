"""Token rows as tensors: padded on the right, labelled where they are learnt, packed examples kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.examples import TokenRow


def padded(rows: Sequence[TokenRow], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids and labels, both (rows, longest row), padded on the right; -100 labels what is not learnt."""
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        start = 0
        for part in row.parts:
            end = start + len(part.ids)
            labels[number, start + part.prompt_length : end] = ids[number, start + part.prompt_length : end]
            start = end
    return ids.to(device), labels.to(device)


def kept_apart(model: Any, rows: Sequence[TokenRow]) -> dict[str, Any]:
    """Return what keeps the examples of packed rows from seeing each other; {} where no row is packed.

    Positions that begin anew at each example, and the block-diagonal masks, one for each kind of layer, that the
    library makes from them. Padding continues the last example, which cannot see it.
    """
    if all(len(row.parts) == 1 for row in rows):
        return {}
    from transformers.masking_utils import create_masks_for_generate

    width = max(len(row.ids) for row in rows)
    counted = torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        start = 0
        for part in row.parts:
            counted[number, start:] = torch.arange(width - start)
            start += len(part.ids)
    counted = counted.to(model.device)
    # of the embeddings it reads shape, format and device; not all families hand it the positions themselves
    shaped = torch.empty(len(rows), width, 0, dtype=model.dtype, device=model.device)
    masks = create_masks_for_generate(model.config, shaped, None, None, counted)
    return {"position_ids": counted, "attention_mask": masks}
