"""The decision: scores in, verdict out; pure, and step by step what the protocol in docs/decision-rule.md says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from env.refusal import Refusal
from env.wording.counts import counted
from eval.decision.cells import Cell
from eval.decision.extremes import extreme_of
from eval.decision.guards import Evidence, FamilyGain, Guard, all_guards, family_gains
from eval.decision.power import clusters_needed, measured_detectable_gain
from eval.decision.rule import DecisionRule
from eval.decision.ruling import Ruling, at_least, ruling
from eval.decision.selection import Scores, Selection, gain_of, select_cell
from eval.decision.sentences import Finding, headline, reasons
from eval.estimation.estimators import TaskValues, paired_gains, pass_rates
from eval.estimation.intervals import Estimate, estimate_rate, gain_metric, rate_metric
from eval.records import Metric, TaskScore


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
        extreme: "floor" or "ceiling" where the tasks are too hard or too easy to show a gain; "" where they are not.
        smoke: the run is too small to decide anything by design.
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
    extreme: Literal["floor", "ceiling", ""] = ""
    smoke: bool = False

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


# Protocol step 4: the verdict on test


def decide(base_test: Scores, cell_test: Scores, rule: DecisionRule, evidence: Evidence) -> Decision:
    """Return the verdict on the chosen cell from the test tasks (docs/decision-rule.md, protocol steps 4, 5 and 7).

    Raises:
        Refusal: the scores are not of what the rule froze, or no task has k valid samples in both arms.
    """
    if rule.selection != "split":
        raise Refusal("The rule froze max-T, but a test split is judged.", "Judge with `decide_max_t`.")
    evidence = _only_present(evidence, base_test, cell_test)
    base, cell = _without(base_test, evidence), _without(cell_test, evidence)
    gains = paired_gains(base, cell, rule.k)
    return _conclude(base, cell, gains, gain_of(gains, rule), rule, evidence, "test split")


def _conclude(
    base: Scores,
    cell: Scores,
    gains: TaskValues,
    gain: Estimate,
    rule: DecisionRule,
    evidence: Evidence,
    method: str,
) -> Decision:
    """Return the decision on one cell, whose ``gain`` was estimated by ``method``: guards, verdict, words."""
    if gain.value is None:
        raise Refusal(
            f"No task has {rule.k} valid samples in both arms.", "There is nothing to decide on: measure again."
        )
    families = family_gains(gains, rule)
    guards = all_guards(base, cell, families, gain, rule, evidence)
    verdict = ruling(gain, guards, rule)
    rates = _rate(base, rule), _rate(cell, rule)
    found = Finding(
        verdict=verdict,
        strong=verdict is Ruling.PROCEED and at_least(gain.lower, rule.margin),
        gain=gain,
        base=rates[0],
        adapter=rates[1],
        guards=guards,
        needed=_clusters_to_settle(gain, rule) if verdict is Ruling.INCONCLUSIVE else None,
        detectable=measured_detectable_gain(gain, rule),
        method=method,
        excluded=evidence.excluded,
        excluded_why=evidence.excluded_why,
        extreme=extreme_of(*rates, rule),
        smoke=evidence.smoke,
    )
    return _decision(found, families, rule, evidence)


def _decision(found: Finding, families: tuple[FamilyGain, ...], rule: DecisionRule, evidence: Evidence) -> Decision:
    return Decision(
        verdict=found.verdict,
        strong=found.strong,
        headline=headline(found, rule),
        cell=evidence.cell,
        k=rule.k,
        margin=rule.margin,
        gain=found.gain,
        base=found.base,
        adapter=found.adapter,
        families=families,
        guards=found.guards,
        reasons=reasons(found, rule),
        clusters_needed=found.needed,
        more_clusters=None if found.needed is None else found.needed - found.gain.clusters,
        detectable_gain=found.detectable,
        method=found.method,
        rule_digest=rule.digest,
        excluded=found.excluded,
        extreme=found.extreme.kind if found.extreme else "",
        smoke=found.smoke,
    )


def _clusters_to_settle(gain: Estimate, rule: DecisionRule) -> int | None:
    """Return clusters in all: to tell the gain from the margin it misses, or from the zero it does not clear.

    None without any spread between tasks: nothing can be planned from a standard error of 0.
    """
    if gain.method == "zero variance":
        return None
    return clusters_needed(gain, 0.0 if at_least(gain.value, rule.margin) else rule.margin, rule)


def _rate(scores: Scores, rule: DecisionRule) -> Estimate:
    return estimate_rate(pass_rates(scores, rule.k), seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)


def _only_present(evidence: Evidence, *arms: Scores) -> Evidence:
    """Return the evidence naming only those excluded tasks that an arm has."""
    present = {score.task_id for scores in arms for score in scores}
    return replace(evidence, excluded=tuple(sorted(present.intersection(evidence.excluded))))


def _without(scores: Scores, evidence: Evidence) -> list[TaskScore]:
    """Return the scores of the tasks that are not excluded."""
    return [score for score in scores if score.task_id not in evidence.excluded]


# Protocol step 6: no test split is possible


def decide_max_t(
    base_dev: Scores, cells_dev: Mapping[Cell, Scores], rule: DecisionRule, evidence: Evidence
) -> tuple[Selection, Decision]:
    """Select and judge on the same tasks, paying for the number of cells (docs/decision-rule.md, protocol step 6).

    ``evidence.cell`` is replaced by the chosen cell's name; its canary must be of the chosen adapter or of all.

    Raises:
        Refusal: as ``select_cell`` and ``decide``.
    """
    if rule.selection != "max-t" or not cells_dev:
        raise Refusal(
            f"Max-T needs cells and a rule that froze it, not {len(cells_dev)} cells under {rule.selection}.",
            "Judge the test split with `decide`.",
        )
    evidence = _only_present(evidence, base_dev, *cells_dev.values())
    base, cells = _without(base_dev, evidence), {cell: _without(own, evidence) for cell, own in cells_dev.items()}
    selection = select_cell(base, cells, rule)
    chosen = selection.chosen
    gain = next(row.gain for row in selection.table if row.cell == chosen)
    gains = paired_gains(base, cells[chosen], rule.k)
    method, judged = f"max-t over {counted(len(cells), 'cell')}", replace(evidence, cell=chosen.name)
    return selection, _conclude(base, cells[chosen], gains, gain, rule, judged, method)
