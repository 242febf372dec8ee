"""Choosing and judging the best of several cells on the same tasks: the bootstrap of the maximum of studentised gains.

For runs too small for a test split. The bound holds for whichever cell looks best, since it is that of the maximum
over all cells (Westfall & Young 1993; Romano & Wolf 2005). Not covered: it cannot buy back the power of unseen tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from env.wording.counts import counted
from eval.decision.cells import Cell
from eval.decision.rule import DecisionRule
from eval.estimation.estimators import Floats, TaskValues, cluster_totals, clustered_se
from eval.estimation.intervals import Estimate, bootstrap_means, estimate_gain, zero_variance_bounds

_NO_SPREAD = 1e-3


def simultaneous_gains(gains: Mapping[Cell, TaskValues], rule: DecisionRule) -> dict[Cell, Estimate]:
    """Return each cell's gain with bounds that hold for the best of all cells at once.

    ``value`` is lowered by the median of the maximum's excess, so that the best cell's value is no longer flattered by
    being the best; ``low`` and ``lower`` use its upper quantiles; ``high`` and ``upper`` stay those of a single cell,
    which is on the safe side. Only tasks that every cell defines count.
    """
    common = _common_tasks(gains)
    single = {
        cell: estimate_gain(values, seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
        for cell, values in common.items()
    }
    varying = [cell for cell, gain in single.items() if gain.method == "bootstrap+t"]
    if varying:
        maxima = _studentised_maxima([common[cell] for cell in varying], rule)
        middle, one, two = (float(q) for q in np.quantile(maxima, [0.5, 1 - rule.alpha, 1 - rule.alpha / 2]))
    label = f"max-t over {counted(len(gains), 'cell')}"
    shifted: dict[Cell, Estimate] = {}
    for cell, gain in single.items():
        if cell in varying and gain.value is not None and gain.se is not None:
            shifted[cell] = replace(_shift(gain, gain.value, gain.se, (middle, two, one)), method=label)
        elif gain.value is not None:
            bounds = zero_variance_bounds(gain.value, gain.clusters, rule.alpha / len(gains), -1.0)
            shifted[cell] = replace(gain, low=bounds.low, lower=bounds.lower, method="zero variance")
        else:
            shifted[cell] = gain
    return shifted


def _shift(gain: Estimate, value: float, se: float, quantiles: tuple[float, float, float]) -> Estimate:
    """Return ``gain`` moved down by each quantile times ``se``, never above what the cell alone would say."""
    alone = (value, gain.low, gain.lower)
    moved = (value - quantile * se for quantile in quantiles)
    safe = [max(-1.0, new if old is None else min(old, new)) for old, new in zip(alone, moved, strict=True)]
    return replace(gain, value=safe[0], low=safe[1], lower=safe[2])


def _common_tasks(gains: Mapping[Cell, TaskValues]) -> dict[Cell, TaskValues]:
    shared = set.intersection(*(set(values.task_ids) for values in gains.values()))
    return {cell: values.without(set(values.task_ids) - shared) for cell, values in gains.items()}


def _studentised_maxima(cells: list[TaskValues], rule: DecisionRule) -> Floats:
    """Return, per resample, the largest over cells of (resampled gain - gain) / resampled SE; shape (resamples,)."""
    columns = [cluster_totals(values.values, values.clusters) for values in cells]
    sizes = columns[0][1]
    totals = np.stack([column for column, _ in columns], axis=1)
    means = bootstrap_means(totals, sizes, rule.resamples, rule.seed)
    errors = resampled_errors(totals, sizes, means, rule)
    whole = np.array([clustered_se(column, sizes) for column, _ in columns])
    # A resample of near-identical clusters has no spread of its own; its gain is then judged by the whole sample's.
    errors = np.where(errors < _NO_SPREAD * whole, whole, errors)
    maxima: Floats = ((means - totals.sum(axis=0) / sizes.sum()) / errors).max(axis=1)
    return maxima


def resampled_errors(totals: Floats, sizes: Floats, means: Floats, rule: DecisionRule) -> Floats:
    """Return the clustered standard error of each cell inside each resample, shape (resamples, cells).

    Args:
        totals: sum of gains per cluster and cell, shape (G, cells).
        sizes: tasks per cluster, shape (G,).
        means: the resampled mean gains, shape (resamples, cells), of the same seed.
    """
    groups, count = totals.shape
    # The sum of squared residuals expanded, so that one product over the clusters gives it for every resample.
    squares = np.concatenate([totals**2, totals * sizes[:, None], (sizes**2)[:, None]], axis=1)
    drawn = bootstrap_means(squares, sizes, rule.resamples, rule.seed)
    square, cross, size_square = drawn[:, :count], drawn[:, count : 2 * count], drawn[:, 2 * count :]
    residual = np.maximum(square - 2 * means * cross + means**2 * size_square, 0.0)
    # bootstrap_means divided by the resample's tasks once; the mean of ones over G clusters is the second division.
    per_task = bootstrap_means(np.ones_like(sizes), sizes, rule.resamples, rule.seed) / groups
    result: Floats = np.sqrt(residual * groups / (groups - 1) * per_task[:, None])
    return result
