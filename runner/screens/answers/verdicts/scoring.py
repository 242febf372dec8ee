"""Scored completions in lines: each arm's pass@k with intervals by split and family, outcomes, and gains."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from env.counts import counted
from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from eval.records import EvalResult, Metric
    from gates.outside_completions import Scored


def print_scored(scored: Scored, stream: TextIO | None = None) -> None:
    """Write what completions come to."""
    write_lines(stream or sys.stdout, score_lines(scored))


def score_lines(scored: Scored) -> list[Line]:
    """Return every number with its n, k and interval, then what they rest on."""
    lines = [one for result in scored.results for one in _result_lines(result)]
    for name, gains in scored.gains.items():
        lines.append(line((name, "bold"), hang=4))
        lines += [line(f"    {metric.name:<10} {metric_text(metric)}", hang=4) for metric in gains]
    lines += [
        line(("! ", "odd"), f"{arm}: {counted(missing, 'task')} without a completion; they count nowhere", hang=2)
        for arm, missing in scored.unscored.items()
    ]
    judge = f"{scored.verifier}, isolation {scored.isolation}"
    return [*lines, line(("judged by ", "dim"), f"{judge}; tasks of {scored.dataset} ({scored.digest[:12]})", hang=10)]


def _result_lines(result: EvalResult) -> Iterator[Line]:
    yield line((result.arm, "bold"), f" on {result.split}: {counted(result.samples, 'completion')}", hang=4)
    for metric in result.metrics:
        yield line(f"    {metric.name:<10} {metric_text(metric)}", hang=4)
    for family, metrics in result.by_family.items():
        if defined := [metric for metric in metrics if metric.value is not None]:
            told = "; ".join(f"{metric.name} {metric_text(metric)}" for metric in defined)
            yield line(("      ", "dim"), f"{family:<10} {told}", hang=17)
    outcomes = ", ".join(f"{name} {count:,}" for name, count in result.outcomes.items())
    yield line(("    outcomes: ", "dim"), outcomes, hang=14)


def metric_text(metric: Metric) -> str:
    """Return a metric with its 95% interval and the number of tasks it is over."""
    if metric.value is None:
        return f"undefined: {metric.note}" if metric.note else "undefined"
    unit = " pp" if metric.unit == "pp" else "%"
    sign = "+" if metric.unit == "pp" else ""
    within = (
        "" if metric.low is None or metric.high is None else f" (95% {metric.low:{sign}.1f} to {metric.high:{sign}.1f})"
    )
    return f"{metric.value:{sign}.1f}{unit}{within} on {counted(metric.n, 'task')}"
