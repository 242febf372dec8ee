"""The measured part of a report: pass@k and its curve over k, and how samples ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.decision.rule import DecisionRule
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import estimate_gain
from eval.pipeline.result import pass_metrics
from eval.records import EvalResult, Metric, TaskScore
from gates.report.results import BaselineResults, DecisionResults
from runner.report.data import ArmOutcomes, Interval, PassCurve, PassRow
from runner.report.sections.verdict import estimate_interval, metric_interval
from runner.views.artifacts import Artifacts

# Beyond this many samples a task the curve has a point for every so many k alone.
_MAX_CURVE_POINTS = 20
Gains = Mapping[tuple[str, int], Interval]


def arm_results(found: Artifacts) -> list[tuple[str, EvalResult]]:
    """Return the base's result on test and, where it was measured, the chosen cell's."""
    decided = found.results(DecisionResults)
    if decided is not None:
        return [("base", decided.arms.base), (decided.arms.cell.arm, decided.arms.cell)]
    baseline = found.results(BaselineResults)
    if baseline is None:
        return []
    return [("base", baseline.splits["test" if "test" in baseline.splits else "dev"])]


def read_outcomes(found: Artifacts) -> tuple[ArmOutcomes, ...]:
    """Return how the samples of each arm on test ended."""
    return tuple(
        ArmOutcomes(label, result.outcomes, result.samples, result.truncated) for label, result in arm_results(found)
    )


def read_passes(found: Artifacts) -> tuple[PassRow, ...]:
    """Return pass@k of both arms over all test tasks and by family, with the paired difference."""
    arms = arm_results(found)
    if not arms:
        return ()
    base, cell = arms[0][1], arms[1][1] if len(arms) > 1 else None
    gains = _gains(base, cell, found.rule) if cell else {}
    rows = _pass_rows("all", base.metrics, cell.metrics if cell else (), gains)
    for family, metrics in base.by_family.items():
        rows += _pass_rows(family, metrics, cell.by_family.get(family, ()) if cell else (), gains)
    return tuple(rows)


def _gains(base: EvalResult, cell: EvalResult, rule: DecisionRule | None) -> Gains:
    """Return the gain of every group and k, on the same tasks, with intervals by cluster as the decision has them."""
    options = {"seed": rule.seed, "resamples": rule.resamples} if rule is not None else {}
    gains: dict[tuple[str, int], Interval] = {}
    for k in {metric.k for metric in base.metrics if metric.k is not None}:
        paired = paired_gains(base.scores, cell.scores, k)
        groups = {"all": paired} | {family: paired.of_family(family) for family in base.by_family}
        for group, values in groups.items():
            gains[group, k] = estimate_interval(group, estimate_gain(values, **options))
    return gains


def _pass_rows(group: str, base: Sequence[Metric], cell: Sequence[Metric], gains: Gains) -> list[PassRow]:
    other = {metric.name: metric for metric in cell}
    return [
        PassRow(
            group,
            metric.name,
            metric.n,
            metric_interval(metric),
            metric_interval(other[metric.name]) if metric.name in other else None,
            gains.get((group, metric.k)) if metric.k is not None else None,
        )
        for metric in base
    ]


def read_curves(found: Artifacts) -> tuple[PassCurve, ...]:
    """Return pass@k for k = 1 to n of each arm, from its stored counts by the estimator that the gates use."""
    return tuple(PassCurve(label, _curve(result.scores)) for label, result in arm_results(found))


def _curve(scores: Sequence[TaskScore]) -> tuple[Interval, ...]:
    most = max((score.n for score in scores), default=0)
    ks = sorted({*range(1, most + 1, -(-most // _MAX_CURVE_POINTS)), most}) if most else []
    return tuple(
        Interval(f"{metric.k}", metric.value, metric.low, metric.high, metric.unit, metric.n)
        for metric in pass_metrics(scores, ks)
    )
