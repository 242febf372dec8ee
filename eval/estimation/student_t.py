"""Student's t on whole degrees of freedom with the standard library alone, so that scipy stays a test oracle."""

from __future__ import annotations

from functools import lru_cache
from math import atan, cos, pi, sin, sqrt

_BISECTIONS = 200


def t_cdf(t: float, df: int) -> float:
    """Return P(T <= t) for ``df`` >= 1 degrees of freedom, exact up to rounding.

    The finite trigonometric series for whole degrees of freedom (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4).
    """
    if df < 1:
        raise ValueError(f"Student's t needs at least one degree of freedom, not {df}")
    theta = atan(abs(t) / sqrt(df))
    cosine = cos(theta)
    first = cosine if df % 2 else 1.0
    term, total = first, 0.0 if df == 1 else first
    for power in range(3 if df % 2 else 2, df - 1, 2):
        term *= cosine * cosine * (power - 1) / power
        total += term
    within = 2.0 / pi * (theta + sin(theta) * total) if df % 2 else sin(theta) * total
    return 0.5 + 0.5 * within if t >= 0 else 0.5 - 0.5 * within


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: int) -> float:
    """Return t with P(T <= t) = p, for 0 < p < 1, by bisection of ``t_cdf``."""
    if not 0.0 < p < 1.0:
        raise ValueError(f"a quantile needs 0 < p < 1, not {p}")
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2.0
