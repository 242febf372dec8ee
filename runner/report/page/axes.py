"""Axes with round ticks, for every figure of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from ``first`` to ``last``, drawn over 0–100 percent with round ``ticks``."""

    first: float
    last: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return where ``value`` stands, in percent of the width."""
        share = (value - self.first) / ((self.last - self.first) or 1.0)
        return 100 * min(1.0, max(0.0, share))


def axis_over(values: Sequence[float], pad: float = 0.06, about: int = 6) -> Axis:
    """Return an axis that holds all ``values`` with some room, and about so many round ticks."""
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * pad
    first, last = low - room, high + room
    step = _round_step((last - first) / about or 1.0)
    start = math.ceil(first / step)
    ticks = tuple(number * step for number in range(start, math.floor(last / step) + 1))
    return Axis(first, last, ticks)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    # 1.4 is about the square root of 2: the nearest round step, rather than the next larger one.
    return next((factor * power for factor in (1, 2, 5) if rough <= 1.4 * factor * power), 10 * power)
