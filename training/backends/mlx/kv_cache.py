"""A key/value cache whose rows were padded on the left, multiply after the prompt and go when they are finished."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
from mlx_lm.models.base import create_causal_mask

# positions allocated at once: growing at each token would copy everything each time
_SPARE = 64


class RowCache:
    """Keys and values (rows, heads, capacity, head size) of one layer, as mlx-lm's models expect them.

    Sliding layers keep all positions and mask those outside ``window``: rows then stay aligned whatever their padding.
    """

    def __init__(self, window: int | None, padding: mx.array | None) -> None:
        self.window = window
        self.padding = padding
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.length = 0

    @property
    def offset(self) -> int | mx.array:
        """The next position: one number, or one a row (rows,) where prompts were padded."""
        return self.length if self.padding is None else self.length - self.padding

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append states (rows, heads, new positions, head size); return everything so far."""
        start, end = self.length, self.length + keys.shape[2]
        if self.keys is None or end > self.keys.shape[2]:
            self.keys = _grown(self.keys, keys, start, end + _SPARE)
            self.values = _grown(self.values, values, start, end + _SPARE)
        assert self.values is not None
        self.keys[:, :, start:end] = keys
        self.values[:, :, start:end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def make_mask(self, N: int, return_array: bool = False, window_size: int | None = None) -> mx.array | str | None:
        """Return what ``N`` new positions may see: None for all, "causal", or booleans (rows or 1, 1, N, positions)."""
        window = window_size or self.window
        if window is not None and self.length + N <= window:
            window = None
        if self.padding is None and window is None and not return_array:
            return None if N == 1 else "causal"
        return create_causal_mask(N, offset=self.length, window_size=window, left_padding=self.padding)

    def take(self, rows: mx.array) -> None:
        """Replace the rows by ``rows`` of them; one may be taken several times."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]
        if self.padding is not None:
            self.padding = self.padding[rows]


def new_caches(windows: Sequence[int | None], padding: Sequence[int]) -> list[RowCache]:
    """Return an empty cache a layer; ``padding`` counts the positions before each row's prompt."""
    shared = mx.array(padding) if any(padding) else None
    return [RowCache(window, shared) for window in windows]


def _grown(old: mx.array | None, like: mx.array, length: int, capacity: int) -> mx.array:
    new = mx.zeros((like.shape[0], like.shape[1], capacity, like.shape[3]), dtype=like.dtype)
    if old is not None:
        new[:, :, :length] = old[:, :, :length]
    return new
