"""The measured part of a report: pass@k and its curve over k, and how samples ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.pipeline.result import pass_metrics
from eval.records import TaskScore
from runner.report.data import ArmOutcomes, Interval, PassCurve, PassRow
from runner.report.sections.verdict import metric_interval
from runner.views.artifacts import Artifacts, real

# Beyond this many samples a task the curve has a point for every so many k alone.
_MAX_CURVE_POINTS = 20

Result = Mapping[str, Any]


def arm_results(found: Artifacts) -> list[tuple[str, Result]]:
    """Return the base's result on test and, where it was measured, the chosen cell's."""
    results = found.table("e", "results")
    if results is not None:
        return [("base", results["base"]), (str(results["cell"]["arm"]), results["cell"])]
    baseline = found.table("b", "results")
    if baseline is None:
        return []
    return [("base", baseline["test"] if "test" in baseline else next(iter(baseline.values())))]


def read_outcomes(found: Artifacts) -> tuple[ArmOutcomes, ...]:
    """Return how the samples of each arm on test ended."""
    return tuple(
        ArmOutcomes(
            label,
            {str(name): int(number) for name, number in result["outcomes"].items()},
            int(result["samples"]),
            int(result["truncated"]),
        )
        for label, result in arm_results(found)
    )


def read_passes(found: Artifacts) -> tuple[PassRow, ...]:
    """Return pass@k of both arms over all test tasks and by family."""
    arms = arm_results(found)
    if not arms:
        return ()
    base, cell = arms[0][1], arms[1][1] if len(arms) > 1 else None
    rows = _pass_rows("all", base["metrics"], cell["metrics"] if cell else None)
    for family, metrics in base["by_family"].items():
        rows += _pass_rows(str(family), metrics, cell["by_family"].get(family) if cell else None)
    return tuple(rows)


def _pass_rows(group: str, base: Sequence[Result], cell: Sequence[Result] | None) -> list[PassRow]:
    other = {metric["name"]: metric for metric in cell or ()}
    return [
        PassRow(group, str(metric["name"]), int(metric["n"]), _interval(metric), _interval(other.get(metric["name"])))
        for metric in base
    ]


def _interval(metric: Result | None) -> Interval | None:
    return None if metric is None else metric_interval(metric)


def read_curves(found: Artifacts) -> tuple[PassCurve, ...]:
    """Return pass@k for k = 1 to n of each arm, from its stored counts by the estimator that the gates use."""
    return tuple(PassCurve(label, _curve(result["scores"])) for label, result in arm_results(found))


def _curve(rows: Sequence[Result]) -> tuple[Interval, ...]:
    scores = [
        TaskScore(str(row["task_id"]), str(row["family"]), str(row["cluster"]), int(row["n"]), int(row["c"]))
        for row in rows
    ]
    most = max((score.n for score in scores), default=0)
    ks = sorted({*range(1, most + 1, -(-most // _MAX_CURVE_POINTS)), most}) if most else []
    return tuple(
        Interval(f"{metric.k}", real(metric.value), metric.low, metric.high, metric.unit, metric.n)
        for metric in pass_metrics(scores, ks)
    )
