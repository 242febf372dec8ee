"""A key/value cache allocated once for a whole batch, with rows that multiply after the prompt and go when finished."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class PreallocatedLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values (rows, heads, capacity, head size) of one layer; the first ``length`` positions are used.

    Growing by concatenation, the library's way, copies everything at each token.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate for the rows, heads and sizes of the first states."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = _room(key_states, self.capacity)
        self.values = _room(value_states, self.capacity)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append states (rows, heads, new positions, head size); return everything so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.length = self.length, self.length + key_states.shape[2]
        self.keys[:, :, start : self.length] = key_states
        self.values[:, :, start : self.length] = value_states
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def get_seq_length(self) -> int:
        """Return the positions in use."""
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return (positions a query of this length sees, offset of the first)."""
        return self.length + query_length, 0

    def repeat_rows(self, rows: Tensor, capacity: int) -> None:
        """Replace the rows by ``rows`` of them, with room for ``capacity`` positions."""
        self.capacity = capacity
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = _room(old, capacity, rows=len(rows))
            new[:, :, : self.length] = old[:, :, : self.length].index_select(0, rows)
            setattr(self, name, new)

    def fill_holes(self, holes: Tensor, movers: Tensor, count: int) -> None:
        """Move rows ``movers`` into the places ``holes``, then keep the first ``count`` rows."""
        for name in ("keys", "values"):
            tensor = getattr(self, name)
            if len(holes):
                tensor[holes, :, : self.length] = tensor[movers, :, : self.length]
            setattr(self, name, tensor[:count])


def new_cache(layers: int, capacity: int) -> Cache:
    """Return an empty cache for ``layers`` attention layers and ``capacity`` positions."""
    return Cache(layers=[PreallocatedLayer(capacity) for _ in range(layers)])


def repeat_rows(cache: Cache, rows: Tensor, capacity: int) -> None:
    """Apply ``PreallocatedLayer.repeat_rows`` to every layer."""
    for layer in cache.layers:
        layer.repeat_rows(rows, capacity)


def keep_rows(cache: Cache, kept: Tensor) -> Tensor:
    """Keep the rows marked in ``kept`` (rows,) bool; return which old row now stands where.

    Only rows from the end move, into the places of dropped ones, so that dropping one row costs one row.
    """
    count = int(kept.sum())
    holes = (~kept[:count]).nonzero()[:, 0]
    movers = kept[count:].nonzero()[:, 0] + count
    for layer in cache.layers:
        layer.fill_holes(holes.to(layer.device), movers.to(layer.device), count)
    order = torch.arange(count)
    order[holes] = movers
    return order


def _room(like: Tensor, capacity: int, rows: int | None = None) -> Tensor:
    return like.new_empty(like.shape[0] if rows is None else rows, like.shape[1], capacity, like.shape[3])
