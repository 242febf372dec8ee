"""The uncertainty of a mean over tasks: cluster bootstrap, its cross-check by Student's t, and bounds at zero variance.

The interval is the wider of bootstrap and t on each side. With few clusters the percentile bootstrap is too narrow,
with skewed scores t is lopsided; the cross-check therefore widens the interval. The estimate keeps both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from eval.estimation.estimators import Floats, TaskValues, cluster_totals, clustered_se
from eval.estimation.student_t import t_cdf, t_quantile
from eval.records import Metric

RESAMPLES = 10_000
SEED = 20_261_120
ALPHA = 0.05
_NO_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of one mean at one alpha: ``low``/``high`` two-sided, ``lower``/``upper`` each one-sided."""

    low: float
    high: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over tasks with its evidence, in fractions; every number is None when no task defines it.

    Attributes:
        se: clustered standard error; None with fewer than two clusters.
        low, high: two-sided interval at 1 - alpha (95%).
        lower, upper: one-sided bounds, each at 1 - alpha: what the decision rule reads.
        n: tasks the mean is over.
        method: "bootstrap+t" (the wider of the two on each side) or "zero variance".
        bootstrap, student_t: the bounds of each method alone; None where it does not apply.
    """

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    lower: float | None
    upper: float | None
    n: int
    clusters: int
    k: int
    method: str
    bootstrap: Bounds | None = None
    student_t: Bounds | None = None


def estimate_rate(rates: TaskValues, *, seed: int = SEED, resamples: int = RESAMPLES, alpha: float = ALPHA) -> Estimate:
    """Return the mean of per-task pass rates, which lie in [0, 1], with clustered intervals."""
    return _estimate(rates, seed, resamples, alpha, lowest=0.0)


def estimate_gain(gains: TaskValues, *, seed: int = SEED, resamples: int = RESAMPLES, alpha: float = ALPHA) -> Estimate:
    """Return the mean of per-task paired gains, which lie in [-1, 1], with clustered intervals."""
    return _estimate(gains, seed, resamples, alpha, lowest=-1.0)


def _estimate(values: TaskValues, seed: int, resamples: int, alpha: float, lowest: float) -> Estimate:
    if values.n == 0:
        return Estimate(None, None, None, None, None, None, 0, 0, values.k, "undefined")
    totals, sizes = cluster_totals(values.values, values.clusters)
    mean = float(totals.sum() / sizes.sum())
    se = clustered_se(totals, sizes)
    if se is None or se < _NO_VARIANCE:
        zero = zero_variance_bounds(mean, totals.size, alpha, lowest)
        return _estimated(values, mean, se, zero, totals.size, "zero variance")
    means = bootstrap_means(totals, sizes, resamples, seed)
    by_bootstrap = _quantile_bounds(means, alpha)
    by_t = student_bounds(mean, se, totals.size, alpha)
    wider = _clip(_wider(by_bootstrap, by_t), lowest)
    return _estimated(values, mean, se, wider, totals.size, "bootstrap+t", by_bootstrap, by_t)


def _estimated(
    values: TaskValues,
    mean: float,
    se: float | None,
    bounds: Bounds,
    groups: int,
    method: str,
    by_bootstrap: Bounds | None = None,
    by_t: Bounds | None = None,
) -> Estimate:
    low, high, lower, upper = bounds.low, bounds.high, bounds.lower, bounds.upper
    return Estimate(mean, se, low, high, lower, upper, values.n, groups, values.k, method, by_bootstrap, by_t)


@lru_cache(maxsize=8)
def _resample_counts(groups: int, resamples: int, seed: int) -> Floats:
    """Return how often each cluster is drawn in each resample, shape (resamples, groups); each row sums to groups."""
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, groups, size=(resamples, groups))
    flat = drawn + np.arange(resamples)[:, None] * groups
    counts = np.bincount(flat.ravel(), minlength=resamples * groups).reshape(resamples, groups).astype(np.float64)
    counts.setflags(write=False)
    return counts


def bootstrap_means(totals: Floats, sizes: Floats, resamples: int, seed: int) -> Floats:
    """Return the mean over tasks in each resample of whole clusters drawn with replacement.

    Args:
        totals: sum of values per cluster, shape (G,) for one mean or (G, m) for m means over the same clusters.
        sizes: tasks per cluster, shape (G,).

    Returns:
        Shape (resamples,) or (resamples, m); the same seed and G draw the same clusters.
    """
    counts = _resample_counts(sizes.size, resamples, seed)
    tasks = counts @ sizes
    sums = counts @ totals
    result: Floats = sums / (tasks if sums.ndim == 1 else tasks[:, None])
    return result


def _quantile_bounds(means: Floats, alpha: float) -> Bounds:
    low, lower, upper, high = np.quantile(means, [alpha / 2, alpha, 1 - alpha, 1 - alpha / 2])
    return Bounds(float(low), float(high), float(lower), float(upper))


def student_bounds(mean: float, se: float, groups: int, alpha: float) -> Bounds:
    """Return bounds by Student's t on G - 1 degrees of freedom."""
    two, one = (t_quantile(1 - tail, groups - 1) * se for tail in (alpha / 2, alpha))
    return Bounds(mean - two, mean + two, mean - one, mean + one)


def zero_variance_bounds(mean: float, groups: int, alpha: float, lowest: float) -> Bounds:
    """Return bounds when all G clusters have the same value (or there is only one), for values in [``lowest``, 1].

    A share of at least w = 1 - alpha^(1/G) of other clusters would have been observed with probability 1 - alpha; at
    worst that share lies at the end of the range. For a pass rate of 0 the upper bound is w itself.
    """
    two, one = (1.0 - tail ** (1.0 / groups) for tail in (alpha / 2, alpha))
    return Bounds(
        low=(1 - two) * mean + two * lowest,
        high=(1 - two) * mean + two,
        lower=(1 - one) * mean + one * lowest,
        upper=(1 - one) * mean + one,
    )


def _wider(one: Bounds, other: Bounds) -> Bounds:
    return Bounds(
        min(one.low, other.low), max(one.high, other.high), min(one.lower, other.lower), max(one.upper, other.upper)
    )


def _clip(bounds: Bounds, lowest: float) -> Bounds:
    return Bounds(max(bounds.low, lowest), min(bounds.high, 1.0), max(bounds.lower, lowest), min(bounds.upper, 1.0))


def harm_p_value(gain: Estimate) -> float:
    """Return the one-sided p-value of "this gain is not below zero": small when harm is shown.

    It is the alpha at which the upper bound by t (or by zero variance) reaches zero; 1.0 where nothing was measured.
    """
    if gain.value is None:
        return 1.0
    if gain.method == "bootstrap+t" and gain.se is not None:
        return t_cdf(gain.value / gain.se, gain.clusters - 1)
    return float((1.0 - gain.value) ** -gain.clusters) if gain.value < 0 else 1.0


def holm(p_values: dict[str, float], alpha: float) -> tuple[str, ...]:
    """Return the names rejected at family-wise ``alpha``, smallest p first, by Holm's step-down procedure (1979)."""
    rejected: list[str] = []
    for tried, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        if p > alpha / (len(p_values) - tried):
            break
        rejected.append(name)
    return tuple(rejected)


def percent(fraction: float | None) -> str:
    """Return a rate as text, such as "34.8%"."""
    return "undefined" if fraction is None else f"{100 * fraction:.1f}%"


def points(fraction: float | None) -> str:
    """Return a gain as text, such as "+12.3 pp"."""
    return "undefined" if fraction is None else f"{100 * fraction:+.1f} pp"


def rate_metric(name: str, rate: Estimate, note: str = "") -> Metric:
    """Return a pass rate as a Metric in "%" with its two-sided interval, for output."""
    return _metric(name, rate, "%", note)


def gain_metric(name: str, gain: Estimate, note: str = "") -> Metric:
    """Return a gain as a Metric in "pp" with its two-sided interval, for output."""
    return _metric(name, gain, "pp", note)


def _metric(name: str, estimate: Estimate, unit: str, note: str) -> Metric:
    value, low, high = (None if x is None else 100.0 * x for x in (estimate.value, estimate.low, estimate.high))
    return Metric(name, value, low, high, unit, estimate.n, estimate.k, note)
