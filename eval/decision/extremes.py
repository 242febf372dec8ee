"""Floor and ceiling: tasks so hard or so easy for both models that no gain worth acting on can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from env.wording.counts import counted
from eval.decision.rule import DecisionRule
from eval.decision.ruling import DIGITS
from eval.estimation.intervals import Estimate, percent


@dataclass(frozen=True, slots=True)
class Extreme:
    """Which end of the scale the tasks are at, and the numbers that show it in one sentence."""

    kind: Literal["floor", "ceiling"]
    sentence: str


def extreme_of(base: Estimate, adapter: Estimate, rule: DecisionRule) -> Extreme | None:
    """Return "floor" where neither arm solved any task, "ceiling" where the base leaves less than the margin."""
    if base.value is None or adapter.value is None:
        return None
    if base.value == 0 and adapter.value == 0:
        return Extreme(
            "floor", f"Neither model solved any of the {counted(base.n, 'task')}: they are too hard to show a gain."
        )
    left = 1.0 - base.value
    if round(left, DIGITS) < round(rule.margin, DIGITS):
        return Extreme(
            "ceiling",
            f"The base already reaches pass@{rule.k} {percent(base.value)}: at most {100 * left:.1f} pp are left to "
            f"gain, less than the margin of {rule.margin_pp:.1f} pp.",
        )
    return None
