"""Sampling one token a row: inverse-CDF sampling over the kept tokens, from one random stream a sample.

A row's token depends on its own logits and its own number alone. Kept tokens are summed in the order of their ids, so
that rounding noise which swaps two nearly equal probabilities does not change what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# a nucleus of 0.95 rarely needs more; rows that do are drawn from the whole vocabulary
_CANDIDATES = 64
# A sum of exponentials in float32 is off by less: each by |logit - highest| x 6e-8, which is 1e-6 where it counts, and
# the sum in blocks by about as much. Nearer to top_p than this, float64 decides.
_ROUNDING = 2e-5


def uniform_numbers(seeds: Sequence[int], count: int) -> Tensor:
    """Return float64 numbers in [0, 1), one row a seed: the Philox stream of that key (Salmon et al. 2011)."""
    rows = [np.random.Generator(np.random.Philox(key=seed)).random(count) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def draw(logits: Tensor, uniforms: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Return one token id a row.

    Args:
        logits: (rows, vocabulary).
        uniforms: (rows,) float64 in [0, 1).
        temperature: 0 takes the most probable token.
        top_k: keep the k most probable tokens; 0 is off.
        top_p: of those keep the fewest whose probability reaches it (Holtzman et al. 2020); 1 is off.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    vocabulary = logits.shape[-1]
    if top_k:
        highest = _highest(logits, min(top_k, vocabulary), temperature)
        return _draw_kept(*highest, None, uniforms, top_p)[0]
    if top_p >= 1:
        return _inverse_cdf((logits.double() / temperature).softmax(dim=-1), uniforms)
    # float64 over a vocabulary of 200,000 takes most of a step's time, and few rows need it
    total = (logits.float() / temperature).logsumexp(dim=-1, keepdim=True).double()
    drawn, sure = _draw_kept(*_highest(logits, min(_CANDIDATES, vocabulary), temperature), total, uniforms, top_p)
    if not bool(sure.all()):
        rest = (~sure).nonzero()[:, 0]
        scaled = logits[rest].double() / temperature
        exact = scaled.logsumexp(dim=-1, keepdim=True)
        drawn[rest] = _draw_kept(*scaled.sort(descending=True), exact, uniforms[rest], top_p)[0]
    return drawn


def _highest(logits: Tensor, count: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the ``count`` highest scaled logits a row, falling, in float64, and their ids."""
    values, ids = logits.float().topk(count)
    return values.double() / temperature, ids


def _draw_kept(
    values: Tensor, ids: Tensor, total: Tensor | None, uniforms: Tensor, top_p: float
) -> tuple[Tensor, Tensor]:
    """Return the drawn ids and whether the candidates (sorted by falling logit) surely are the whole nucleus."""
    if total is None:
        total = values.logsumexp(dim=-1, keepdim=True)
    probability = (values - total).exp()
    mass = probability.cumsum(dim=-1)
    kept = probability * (mass - probability < top_p)
    ids, order = ids.sort(dim=-1)
    position = _inverse_cdf(kept.gather(-1, order), uniforms)
    sure = (mass[:, -1] >= top_p) & ((mass - top_p).abs().amin(dim=-1) > _ROUNDING)
    return ids.gather(-1, position[:, None])[:, 0], sure


def _inverse_cdf(probability: Tensor, uniforms: Tensor) -> Tensor:
    """Return per row the first index whose cumulated probability exceeds its share of the row's sum."""
    mass = probability.cumsum(dim=-1)
    total = mass[:, -1]
    # below the total even when rounding lifts the product, so that no index of probability 0 is drawn
    target = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(mass, target[:, None], right=True)[:, 0]
