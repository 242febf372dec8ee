"""The three rulings of a decision, and the rule that tells them apart; light enough for a status screen."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.decision.guards import Guard
    from eval.decision.rule import DecisionRule
    from eval.estimation.intervals import Estimate

# Sums of ratios differ in the last bits with their order; numbers this close are the same number.
DIGITS = 9


class Ruling(StrEnum):
    """What the experiment says about the adapter."""

    PROCEED = "PROCEED"
    ADJUST = "ADJUST"
    INCONCLUSIVE = "INCONCLUSIVE"


def ruling(gain: Estimate, guards: Sequence[Guard], rule: DecisionRule) -> Ruling:
    """Return the verdict: the three lines of docs/decision-rule.md, protocol step 4, in this order.

    A guard that blocks asks to adjust whatever the gain; the point must reach the margin and the lower bound clear zero
    to proceed; an upper bound below the margin asks to adjust; everything else is inconclusive.
    """
    if any(guard.fired and guard.level == "block" for guard in guards):
        return Ruling.ADJUST
    if at_least(gain.value, rule.margin) and gain.lower is not None and round(gain.lower, DIGITS) > 0:
        return Ruling.PROCEED
    return Ruling.INCONCLUSIVE if at_least(gain.upper, rule.margin) else Ruling.ADJUST


def at_least(value: float | None, bar: float) -> bool:
    """Return whether ``value`` reaches ``bar``, rounding noise aside; None reaches nothing."""
    return value is not None and round(value, DIGITS) >= round(bar, DIGITS)


def ruling_of(headline: str) -> Ruling | None:
    """Return the ruling that a decision's headline begins with; None of any other text."""
    word = headline.partition(":")[0].partition(" ")[0]
    return Ruling(word) if word in Ruling.__members__ else None
