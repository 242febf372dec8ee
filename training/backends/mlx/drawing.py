"""Sampling one token a row: inverse-CDF sampling over the kept tokens, from one random stream a sample.

The same rule as the transformers backend's, in numpy's float64, which Apple GPUs lack: equal logits draw equal tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

# a nucleus of 0.95 rarely needs more
_CANDIDATES = 64


def uniform_numbers(seeds: Sequence[int], count: int) -> Floats:
    """Return numbers in [0, 1), one row a seed: the Philox stream of that key (Salmon et al. 2011)."""
    return np.stack([np.random.Generator(np.random.Philox(key=seed)).random(count) for seed in seeds])


def draw(logits: mx.array, uniforms: Floats, temperature: float, top_k: int, top_p: float) -> Ids:
    """Return one token id a row.

    Args:
        logits: (rows, vocabulary).
        uniforms: (rows,) in [0, 1).
        temperature: 0 takes the most probable token.
        top_k: keep the k most probable tokens; 0 is off.
        top_p: of those keep the fewest whose probability reaches it (Holtzman et al. 2020); 1 is off.
    """
    if temperature == 0:
        return np.array(mx.argmax(logits, axis=-1)).astype(np.int64)
    logits = logits.astype(mx.float32)
    if bool(mx.default_device() == mx.gpu) and (top_k or top_p < 1):
        return _draw_from_gpu(logits, uniforms, temperature, top_k, top_p)
    # on a CPU numpy finds candidates and sums exponentials several times as fast as mlx
    scaled = np.array(logits).astype(np.float64) / temperature
    if top_k:
        values, ids = _most_probable(scaled, top_k)
        return _draw_kept(values, ids, _log_sum_exp(values), uniforms, top_p)[0]
    return _draw_nucleus(scaled, uniforms, top_p) if top_p < 1 else _inverse_cdf(_softmax(scaled), uniforms)


def _draw_from_gpu(logits: mx.array, uniforms: Floats, temperature: float, top_k: int, top_p: float) -> Ids:
    """Sample where logits are on a GPU: only the candidates leave it, and the rows that need more than these."""
    count = min(top_k or _CANDIDATES, logits.shape[-1])
    chosen = mx.argpartition(-logits, kth=count - 1, axis=-1)[:, :count]
    found = np.array(mx.take_along_axis(logits, chosen, axis=-1)).astype(np.float64) / temperature
    values, ids = _falling(found, np.array(chosen).astype(np.int64))
    if top_k:
        return _draw_kept(values, ids, _log_sum_exp(values), uniforms, top_p)[0]
    total = np.array(mx.logsumexp(logits / temperature, axis=-1, keepdims=True)).astype(np.float64)
    drawn, reached = _draw_kept(values, ids, total, uniforms, top_p)
    short = np.flatnonzero(~reached)
    if short.size:
        scaled = np.array(logits[mx.array(short)]).astype(np.float64) / temperature
        drawn[short] = _draw_nucleus(scaled, uniforms[short], top_p)
    return drawn


def _draw_nucleus(scaled: Floats, uniforms: Floats, top_p: float) -> Ids:
    """Sample from each row's nucleus: among few candidates, then among more where these do not hold all of it."""
    drawn, total = np.zeros(len(scaled), dtype=np.int64), _log_sum_exp(scaled)
    rows, count = np.arange(len(scaled)), _CANDIDATES
    while rows.size:
        values, ids = _most_probable(scaled[rows], count)
        drawn[rows], reached = _draw_kept(values, ids, total[rows], uniforms[rows], top_p)
        rows = rows[~reached & (count < scaled.shape[-1])]
        count *= 4
    return drawn


def _most_probable(scaled: Floats, count: int) -> tuple[Floats, Ids]:
    """Return the ``count`` highest values a row, falling, and their ids; ties by id."""
    if count >= scaled.shape[-1]:
        return _falling(scaled, np.broadcast_to(np.arange(scaled.shape[-1]), scaled.shape))
    ids = np.argpartition(-scaled, count - 1, axis=-1)[:, :count]
    return _falling(np.take_along_axis(scaled, ids, axis=-1), ids)


def _falling(values: Floats, ids: Ids) -> tuple[Floats, Ids]:
    order = np.lexsort((ids, -values), axis=-1)
    return np.take_along_axis(values, order, axis=-1), np.take_along_axis(ids, order, axis=-1)


def _draw_kept(
    values: Floats, ids: Ids, total: Floats, uniforms: Floats, top_p: float
) -> tuple[Ids, NDArray[np.bool_]]:
    """Return the drawn ids and whether the candidates (sorted by falling logit) hold the whole nucleus."""
    probability = np.exp(values - total)
    mass = probability.cumsum(axis=-1)
    kept = probability * (mass - probability < top_p)
    # summed in the order of ids: rounding noise that swaps two nearly equal tokens changes nothing
    order = ids.argsort(axis=-1)
    position = _inverse_cdf(np.take_along_axis(kept, order, axis=-1), uniforms)
    drawn = np.take_along_axis(np.take_along_axis(ids, order, axis=-1), position[:, None], axis=-1)[:, 0]
    return drawn, mass[:, -1] >= top_p


def _inverse_cdf(probability: Floats, uniforms: Floats) -> Ids:
    """Return per row the first index whose cumulated probability exceeds its share of the row's sum."""
    mass = probability.cumsum(axis=-1)
    total = mass[:, -1]
    # below the total even when rounding lifts the product, so that no index of probability 0 is drawn
    target = np.minimum(uniforms * total, np.nextafter(total, 0.0))
    first: Ids = (mass <= target[:, None]).sum(axis=-1)
    return first


def _softmax(values: Floats) -> Floats:
    return np.exp(values - _log_sum_exp(values))


def _log_sum_exp(values: Floats) -> Floats:
    highest = values.max(axis=-1, keepdims=True)
    total: Floats = highest + np.log(np.exp(values - highest).sum(axis=-1, keepdims=True))
    return total
