"""Protocol step 3: the cell that goes to the decision, chosen on dev by the lower bound of its gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from env.refusal import Refusal
from env.wording.counts import counted
from eval.decision.cells import Cell
from eval.decision.max_t import simultaneous_gains
from eval.decision.rule import DecisionRule
from eval.decision.ruling import DIGITS
from eval.estimation.estimators import TaskValues, paired_gains, pass_rates
from eval.estimation.intervals import Estimate, estimate_gain, points
from eval.pipeline.result import missing_share
from eval.records import TaskScore

Scores = Sequence[TaskScore]


@dataclass(frozen=True, slots=True)
class CellRow:
    """One cell on the dev tasks it met: pass@k, its gain, and why it could not be chosen ("" when it could)."""

    cell: Cell
    rate: float | None
    gain: Estimate
    missing_share: float
    barred: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen cell, the whole table in order of checkpoint and scale, and the choice in one sentence."""

    chosen: Cell
    table: tuple[CellRow, ...]
    sentence: str


def select_cell(
    base_dev: Scores, cells_dev: Mapping[Cell, Scores], rule: DecisionRule, left: Mapping[Cell, str] | None = None
) -> Selection:
    """Choose the cell with the highest one-sided lower bound of its dev gain.

    Ties go to the earlier checkpoint, then the smaller scale. A cell with too much missing data cannot be chosen. Under
    max-T the bounds are those of all cells at once, since the same tasks will judge the chosen one.

    Args:
        left: why cells that left a race cannot be chosen; they stand in the table with the tasks they met.

    Raises:
        Refusal: there is no cell, or none can be chosen.
    """
    if not cells_dev:
        raise Refusal("There is no cell to select from.", "Gate D measures the cells: run it first.")
    estimates = _dev_gains(base_dev, cells_dev, rule)
    out = left or {}
    table = tuple(_row(cell, estimates[cell], cells_dev[cell], rule, out.get(cell, "")) for cell in sorted(estimates))
    eligible = [row for row in table if not row.barred]
    if not eligible:
        why = "; ".join(f"{row.cell.name} {row.barred}" for row in table[:3])
        raise Refusal(f"No cell can be chosen: {why}.", "Measure the cells again.")
    best = max(eligible, key=_preference)
    sentence = (
        f"{best.cell.name} has the highest lower bound of {counted(len(eligible), 'cell')}: "
        f"gain {points(best.gain.value)}, at least {points(best.gain.lower)}, on {counted(best.gain.n, 'dev task')}."
    )
    return Selection(best.cell, table, sentence)


def _dev_gains(base: Scores, cells: Mapping[Cell, Scores], rule: DecisionRule) -> dict[Cell, Estimate]:
    gains = {cell: paired_gains(base, scores, rule.k) for cell, scores in cells.items()}
    if rule.selection == "max-t":
        return simultaneous_gains(gains, rule)
    return {cell: gain_of(values, rule) for cell, values in gains.items()}


def _row(cell: Cell, gain: Estimate, scores: Scores, rule: DecisionRule, left: str) -> CellRow:
    share = missing_share(scores, rule.dev_samples)
    missing = 1.0 if share is None else share
    barred = left
    if not barred and gain.value is None:
        barred = f"has no task with {rule.k} valid samples in both arms"
    elif not barred and 100 * missing > rule.max_missing_pct:
        barred = f"lacks {100 * missing:.1f}% of its samples"
    return CellRow(cell, estimate_mean(scores, rule.k), gain, missing, barred)


def estimate_mean(scores: Scores, k: int) -> float | None:
    """Return mean pass@k without an interval; None when no task defines it."""
    rates = pass_rates(scores, k)
    return float(rates.values.mean()) if rates.n else None


def _preference(row: CellRow) -> tuple[float, int, float]:
    lower = row.gain.lower if row.gain.lower is not None else -1.0
    return (round(lower, DIGITS), -row.cell.step, -row.cell.scale)


def gain_of(gains: TaskValues, rule: DecisionRule) -> Estimate:
    """Return the mean gain with the rule's alpha and bootstrap."""
    return estimate_gain(gains, seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
