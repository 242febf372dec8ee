"""The decision: scores in, verdict out; pure, and step by step what the protocol in DECISION.md says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from env.refusal import Refusal
from eval.cells import Cell
from eval.estimators import TaskValues, paired_gains, pass_rates
from eval.guards import Evidence, FamilyGain, Guard, all_guards, family_gains
from eval.intervals import Estimate, estimate_gain, estimate_rate, gain_metric, percent, points, rate_metric
from eval.max_t import simultaneous_gains
from eval.power import clusters_needed, measured_detectable_gain
from eval.records import Metric, TaskScore
from eval.result import missing_share
from eval.rule import DecisionRule

# Sums of ratios differ in the last bits with their order; numbers this close are the same number.
_DIGITS = 9


class Ruling(StrEnum):
    """What the experiment says about the adapter."""

    PROCEED = "PROCEED"
    ADJUST = "ADJUST"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class CellRow:
    """One cell on the dev tasks: ``rate`` and ``gain`` of pass@k, and why it could not be chosen ("" when it could)."""

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


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict with everything it rests on; gains and rates are fractions, sentences say percent and points.

    Attributes:
        strong: PROCEED whose lower bound reaches the margin itself.
        base, adapter: mean pass@k of each arm with clustered intervals.
        guards: every guard, fired or not.
        reasons: sentences, the one that settled the verdict first.
        clusters_needed: in all, to settle an INCONCLUSIVE; ``more_clusters`` of them are still missing. None when the
            verdict is settled, or when no number would do.
        detectable_gain: with the rule's power, from the measured standard error.
        method: "test split" or "max-t over 9 cells".
        excluded: tasks left out by name.
    """

    verdict: Ruling
    strong: bool
    headline: str
    cell: str
    k: int
    margin: float
    gain: Estimate
    base: Estimate
    adapter: Estimate
    families: tuple[FamilyGain, ...]
    guards: tuple[Guard, ...]
    reasons: tuple[str, ...]
    clusters_needed: int | None
    more_clusters: int | None
    detectable_gain: float | None
    method: str
    rule_digest: str
    excluded: tuple[str, ...] = ()

    @property
    def fired(self) -> tuple[Guard, ...]:
        """Return the guards that fired, blocking ones first."""
        return tuple(guard for guard in self.guards if guard.fired)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for reports."""
        return asdict(self)

    def metrics(self) -> tuple[Metric, ...]:
        """Return base, adapter and gain, then each family's gain, in "%" and "pp"."""
        name = f"pass@{self.k}"
        families = (gain_metric(f"{name} gain, {item.family}", item.gain) for item in self.families)
        return (
            rate_metric(f"{name} base", self.base),
            rate_metric(f"{name} adapter", self.adapter),
            gain_metric(f"{name} gain", self.gain, self.method),
            *families,
        )


def select_cell(
    base_dev: Sequence[TaskScore], cells_dev: Mapping[Cell, Sequence[TaskScore]], rule: DecisionRule
) -> Selection:
    """Choose the cell with the highest one-sided lower bound of its dev gain.

    Ties go to the earlier checkpoint, then the smaller scale. A cell with too much missing data cannot be chosen.

    Raises:
        Refusal: there is no cell, or none can be chosen.
    """
    if not cells_dev:
        raise Refusal("There is no cell to select from.", "Gate D measures the cells: run it first.")
    gains = {cell: paired_gains(base_dev, scores, rule.k) for cell, scores in cells_dev.items()}
    estimates = {
        cell: estimate_gain(values, seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
        for cell, values in gains.items()
    }
    return _selection(estimates, cells_dev, rule)


def _selection(
    estimates: Mapping[Cell, Estimate], cells: Mapping[Cell, Sequence[TaskScore]], rule: DecisionRule
) -> Selection:
    table = tuple(_row(cell, estimates[cell], cells[cell], rule) for cell in sorted(estimates))
    eligible = [row for row in table if not row.barred]
    if not eligible:
        reasons = "; ".join(f"{row.cell.name} {row.barred}" for row in table[:3])
        raise Refusal(f"No cell can be chosen: {reasons}.", "Measure the cells again.")
    best = max(eligible, key=_preference)
    sentence = (
        f"{best.cell.name} has the highest lower bound of {len(eligible)} cells: gain {points(best.gain.value)}, "
        f"at least {points(best.gain.lower)}, on {best.gain.n} dev tasks."
    )
    return Selection(best.cell, table, sentence)


def _row(cell: Cell, gain: Estimate, scores: Sequence[TaskScore], rule: DecisionRule) -> CellRow:
    share = missing_share(scores, rule.dev_samples)
    missing = 1.0 if share is None else share
    barred = ""
    if gain.value is None:
        barred = f"has no task with {rule.k} valid samples in both arms"
    elif 100 * missing > rule.max_missing_pct:
        barred = f"lacks {100 * missing:.1f}% of its samples"
    return CellRow(cell, estimate_mean(scores, rule.k), gain, missing, barred)


def estimate_mean(scores: Sequence[TaskScore], k: int) -> float | None:
    """Return mean pass@k without an interval; None when no task defines it."""
    rates = pass_rates(scores, k)
    return float(rates.values.mean()) if rates.n else None


def _preference(row: CellRow) -> tuple[float, int, float]:
    lower = row.gain.lower if row.gain.lower is not None else -1.0
    return (round(lower, _DIGITS), -row.cell.step, -row.cell.scale)


def decide(
    base_test: Sequence[TaskScore], cell_test: Sequence[TaskScore], rule: DecisionRule, evidence: Evidence
) -> Decision:
    """Return the verdict on the chosen cell from the test tasks (DECISION.md, protocol steps 4, 5 and 7).

    Raises:
        Refusal: the scores are not of what the rule froze, or no task has k valid samples in both arms.
    """
    if rule.selection != "split":
        raise Refusal("The rule froze max-T, but a test split is judged.", "Judge with `decide_max_t`.")
    base, adapter, evidence = _without_excluded(base_test, cell_test, evidence)
    gains = paired_gains(base, adapter, rule.k)
    gain = estimate_gain(gains, seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
    return _conclude(base, adapter, gains, gain, rule, evidence, "test split")


def decide_max_t(
    base_dev: Sequence[TaskScore],
    cells_dev: Mapping[Cell, Sequence[TaskScore]],
    rule: DecisionRule,
    evidence: Evidence,
) -> tuple[Selection, Decision]:
    """Select and judge on the same tasks, paying for the number of cells (DECISION.md, protocol step 6).

    ``evidence.cell`` is replaced by the chosen cell's name; its canary must be of the chosen adapter or of all.

    Raises:
        Refusal: as ``select_cell`` and ``decide``.
    """
    if rule.selection != "max-t" or not cells_dev:
        raise Refusal(
            f"Max-T needs cells and a rule that froze it, not {len(cells_dev)} cells under {rule.selection}.",
            "Judge the test split with `decide`.",
        )
    drop = set(evidence.excluded)
    kept = {cell: [s for s in scores if s.task_id not in drop] for cell, scores in cells_dev.items()}
    base = [score for score in base_dev if score.task_id not in drop]
    gains = {cell: paired_gains(base, scores, rule.k) for cell, scores in kept.items()}
    estimates = simultaneous_gains(gains, rule)
    selection = _selection(estimates, kept, rule)
    cell = selection.chosen
    _, _, evidence = _without_excluded(base_dev, cells_dev[cell], replace(evidence, cell=cell.name))
    method = f"max-t over {len(kept)} cells"
    decision = _conclude(base, kept[cell], gains[cell], estimates[cell], rule, evidence, method)
    return selection, decision


def _without_excluded(
    base: Sequence[TaskScore], adapter: Sequence[TaskScore], evidence: Evidence
) -> tuple[list[TaskScore], list[TaskScore], Evidence]:
    """Return the scores that stay, and the evidence naming only the excluded tasks that there were."""
    drop = set(evidence.excluded)
    there = {score.task_id for score in (*base, *adapter)} & drop
    left = [score for score in base if score.task_id not in drop]
    right = [score for score in adapter if score.task_id not in drop]
    return left, right, replace(evidence, excluded=tuple(sorted(there)))


def _conclude(
    base: Sequence[TaskScore],
    adapter: Sequence[TaskScore],
    gains: TaskValues,
    gain: Estimate,
    rule: DecisionRule,
    evidence: Evidence,
    method: str,
) -> Decision:
    if gain.value is None:
        raise Refusal(
            f"No task has {rule.k} valid samples in both arms.", "There is nothing to decide on: measure again."
        )
    families = family_gains(gains, rule)
    guards = all_guards(base, adapter, families, gain, rule, evidence)
    verdict = _ruling(gain, guards, rule)
    needed = _clusters_to_settle(gain, rule) if verdict is Ruling.INCONCLUSIVE else None
    strong = verdict is Ruling.PROCEED and _at_least(gain.lower, rule.margin)
    rates = [
        estimate_rate(pass_rates(scores, rule.k), seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
        for scores in (base, adapter)
    ]
    detectable = measured_detectable_gain(gain, rule)
    return Decision(
        verdict=verdict,
        strong=strong,
        headline=_headline(verdict, strong, rates, gain, detectable, rule),
        cell=evidence.cell,
        k=rule.k,
        margin=rule.margin,
        gain=gain,
        base=rates[0],
        adapter=rates[1],
        families=families,
        guards=guards,
        reasons=_reasons(verdict, strong, gain, guards, needed, rule, evidence, method),
        clusters_needed=needed,
        more_clusters=None if needed is None else needed - gain.clusters,
        detectable_gain=detectable,
        method=method,
        rule_digest=rule.digest,
        excluded=evidence.excluded,
    )


def _ruling(gain: Estimate, guards: Sequence[Guard], rule: DecisionRule) -> Ruling:
    if any(guard.fired and guard.level == "block" for guard in guards):
        return Ruling.ADJUST
    if _at_least(gain.value, rule.margin) and gain.lower is not None and round(gain.lower, _DIGITS) > 0:
        return Ruling.PROCEED
    return Ruling.INCONCLUSIVE if _at_least(gain.upper, rule.margin) else Ruling.ADJUST


def _at_least(value: float | None, bar: float) -> bool:
    return value is not None and round(value, _DIGITS) >= round(bar, _DIGITS)


def _clusters_to_settle(gain: Estimate, rule: DecisionRule) -> int | None:
    """Return clusters in all: to tell the gain from the margin it misses, or from the zero it does not clear."""
    return clusters_needed(gain, 0.0 if _at_least(gain.value, rule.margin) else rule.margin, rule)


def _headline(
    verdict: Ruling,
    strong: bool,
    rates: Sequence[Estimate],
    gain: Estimate,
    detectable: float | None,
    rule: DecisionRule,
) -> str:
    before, after = (percent(rate.value) for rate in rates)
    detects = "unknown" if detectable is None else f"{100 * detectable:.1f} pp"
    return (
        f"{verdict}{' (strong)' if strong else ''}: pass@{rule.k} {before} → {after}, gain {points(gain.value)} "
        f"({100 - 100 * rule.alpha:g}% {points(gain.low)} to {points(gain.high)}) on {gain.n} tasks "
        f"in {gain.clusters} clusters; margin {rule.margin_pp:.1f} pp, detectable gain {detects}"
    )


def _reasons(
    verdict: Ruling,
    strong: bool,
    gain: Estimate,
    guards: Sequence[Guard],
    needed: int | None,
    rule: DecisionRule,
    evidence: Evidence,
    method: str,
) -> tuple[str, ...]:
    fired = [guard for guard in guards if guard.fired]
    reasons = [f"Guard {guard.name}: {guard.sentence}" for guard in fired if guard.level == "block"]
    reasons.append(_gain_sentence(verdict, strong, gain, rule, blocked=bool(reasons)))
    if verdict is Ruling.INCONCLUSIVE:
        reasons.append(_settling_sentence(gain, needed, rule))
    reasons.extend(f"Warning, {guard.name}: {guard.sentence}" for guard in fired if guard.level == "warn")
    if method != "test split":
        reasons.append(f"No separate test split: the gain and its bounds pay for choosing among the cells ({method}).")
    if evidence.excluded:
        reasons.append(f"{len(evidence.excluded)} tasks were left out: {evidence.excluded_why or 'no reason given'}.")
    return tuple(reasons)


def _gain_sentence(verdict: Ruling, strong: bool, gain: Estimate, rule: DecisionRule, blocked: bool) -> str:
    level = f"one-sided {100 - 100 * rule.alpha:g}%"
    bounds = f"{level} bounds {points(gain.lower)} and {points(gain.upper)}"
    margin, found = f"the margin of {rule.margin_pp:.1f} pp", f"The gain of {points(gain.value)}"
    if blocked:
        return f"Aside from that the gain is {points(gain.value)}, {bounds}, against {margin}."
    if verdict is Ruling.PROCEED:
        reach = "reaches the margin too: strong" if strong else "is above zero, though below the margin"
        return f"{found} reaches {margin}, and its {level} lower bound of {points(gain.lower)} {reach}."
    if verdict is Ruling.ADJUST:
        return f"{found} has a {level} upper bound of {points(gain.upper)}, below {margin}."
    if _at_least(gain.value, rule.margin):
        return f"{found} reaches {margin}, but its {level} lower bound of {points(gain.lower)} is not above zero."
    return f"{found} misses {margin}, but its {level} upper bound of {points(gain.upper)} does not."


def _settling_sentence(gain: Estimate, needed: int | None, rule: DecisionRule) -> str:
    if needed is None:
        return "No number of further clusters can be named that would settle it."
    return (
        f"About {needed} clusters in all ({needed - gain.clusters} more than the {gain.clusters} there are) would "
        f"settle it with {100 * rule.power:.0f}% power, if the gain stays what it is."
    )
