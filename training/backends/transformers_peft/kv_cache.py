"""A key/value cache with room to spare, whose rows multiply after the prompt and go when they are finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

# Positions allocated at once. Growing at each token, the library's way, copies everything each time; room for the
# longest sample would mostly never be used, since few rows are left by then.
_SPARE = 32
# the kinds of layer whose state is keys and values alone, by the library's names
WITH_KEYS = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values (rows, heads, capacity, head size) of one layer; the first ``length`` positions are used."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate for the rows, heads and sizes of the first states."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = _room(key_states, key_states.shape[2])
        self.values = _room(value_states, value_states.shape[2])
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append states (rows, heads, new positions, head size); return everything so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, end = self.length, self.length + key_states.shape[2]
        if end > self.keys.shape[2]:
            self.keys, self.values = (_grown(old, start, end + _SPARE) for old in (self.keys, self.values))
        self.length = end
        self.keys[:, :, start:end] = key_states
        self.values[:, :, start:end] = value_states
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Return the positions in use."""
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return (positions a query of this length sees, offset of the first)."""
        return self.length + query_length, 0

    def reorder_cache(self, rows: Tensor) -> None:
        """Replace the rows by ``rows`` of them."""
        self.keys = _grown(self.keys[rows], self.length, self.length + _SPARE)
        self.values = _grown(self.values[rows], self.length, self.length + _SPARE)

    def fill_holes(self, holes: Tensor, movers: Tensor, count: int) -> None:
        """Move rows ``movers`` into the places ``holes``, then keep the first ``count`` rows."""
        for name in ("keys", "values"):
            tensor = getattr(self, name)
            if len(holes):
                tensor[holes, :, : self.length] = tensor[movers, :, : self.length]
            setattr(self, name, tensor[:count])


def new_cache(config: Any) -> Cache:
    """Return an empty cache for the decoder layers of ``config`` (a text model's).

    Attention has roomy layers, whatever a mask lets it see. Other layers keep a state of fixed size, in the library's
    own layers; a layer that reads another one's keys keeps nothing.
    """
    if set(getattr(config, "layer_types", None) or ()) <= WITH_KEYS:
        return Cache(layers=[RoomyLayer() for _ in range(config.num_hidden_layers)])
    from transformers.cache_utils import DYNAMIC_LAYER_TYPE_MAPPING, get_layer_types_and_kwargs

    kinds = zip(*get_layer_types_and_kwargs(config), strict=True)
    return Cache(
        layers=[
            RoomyLayer() if kind in WITH_KEYS else DYNAMIC_LAYER_TYPE_MAPPING[kind](**options)
            for kind, options in kinds
        ]
    )


def repeat_rows(cache: Cache, rows: Tensor) -> None:
    """Replace the rows of every layer by ``rows`` (indices) of them."""
    for layer in _filled(cache):
        layer.reorder_cache(rows)


def keep_rows(cache: Cache, kept: Tensor) -> Tensor:
    """Keep the rows marked in ``kept`` (rows,) bool; return which old row is now where.

    Only rows from the end move, into the places of dropped ones, so that dropping one row costs one row.
    """
    count = int(kept.sum())
    holes = (~kept[:count]).nonzero()[:, 0]
    movers = kept[count:].nonzero()[:, 0] + count
    order = torch.arange(count)
    order[holes] = movers
    for layer in _filled(cache):
        if isinstance(layer, RoomyLayer):
            layer.fill_holes(holes.to(layer.device), movers.to(layer.device), count)
        else:
            layer.reorder_cache(order)
    return order


def _filled(cache: Cache) -> Iterator[Any]:
    """Yield the layers that hold something: one that shares another's keys never does."""
    for layer in cache.layers:
        if not isinstance(layer, RoomyLayer) or layer.is_initialized:
            yield layer


def _room(like: Tensor, capacity: int) -> Tensor:
    return like.new_empty(like.shape[0], like.shape[1], capacity, like.shape[3])


def _grown(old: Tensor, length: int, capacity: int) -> Tensor:
    new = _room(old, capacity)
    new[:, :, :length] = old[:, :, :length]
    return new
