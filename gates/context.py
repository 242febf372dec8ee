"""What a gate receives: its run folder, the frozen experiment, earlier reports, progress, and the stop request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from env.checks import Check
from env.heartbeat import TokenCount
from env.refusal import Refusal
from eval.decision.rule import DecisionRule
from eval.records import Metric
from gates import gate_title
from gates.report import GateReport, artifact, read_report
from gates.report.results import AnyResults, EnvironmentResults, gate_of
from gates.settings import Experiment

Earlier = TypeVar("Earlier", bound=AnyResults)


class StopRequested(Exception):
    """The user requested a stop and everything done so far is stored."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a gate is: ``done`` of ``total`` units in a named phase, with one line to display.

    ``tokens`` tells of a phase that generates what happens between two stored samples.
    """

    phase: str
    done: int
    total: int
    unit: str
    message: str = ""
    tokens: TokenCount | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a gate will do, without doing it: one line for status screens, and how many units of work."""

    summary: str
    units: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What a plan may read: the run folder and the frozen experiment; nothing is loaded and nothing written."""

    run_dir: Path
    experiment: Experiment

    def gate_folder(self, gate: str) -> Path:
        """Return the folder of ``gate`` in this run."""
        return self.run_dir / f"gate_{gate}"

    def report(self, gate: str) -> GateReport | None:
        """Return another gate's report, None where it has none yet."""
        return read_report(self.gate_folder(gate) / "report.json")

    def frozen_rule(self) -> DecisionRule | None:
        """Return the rule that Gate A froze, with the sizes it found; None before it has passed."""
        report = self.report("a")
        if report is None or report.status != "passed" or not isinstance(report.results, EnvironmentResults):
            return None
        return report.results.frozen.rule if report.results.frozen is not None else None


@dataclass(frozen=True, slots=True)
class GateContext(PlanContext):
    """A plan's context, plus what only a running gate has.

    Attributes:
        attempt: counts from 1; a retry or a rewind begins the next one.
        on_progress: reports the gate's progress to the supervisor.
        should_stop: True once the user requested a stop.
        inputs: digests of everything this gate depends on, by name (see runner/validity/freshness.py).
        on_step: receives the numbers of one training step, for a tracker.
        versions: of the packages this process runs, read at its start (gates/versions.py).
    """

    gate: str
    attempt: int
    started_at: str
    elapsed_before_s: float
    inputs: dict[str, str]
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    log: logging.Logger
    on_step: Callable[[int, Mapping[str, float]], None] = lambda _step, _values: None
    began_s: float = field(default_factory=time.monotonic)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """This gate's own folder."""
        return self.gate_folder(self.gate)

    def safe_point(self) -> None:
        """Raise StopRequested if the user requested a stop: call only where everything done is stored."""
        if self.should_stop():
            raise StopRequested

    def elapsed_s(self) -> float:
        """Seconds spent on this attempt so far, earlier sessions included."""
        return round(self.elapsed_before_s + time.monotonic() - self.began_s, 2)

    def earlier(self, kind: type[Earlier]) -> Earlier:
        """Return the results of the gate that leaves this ``kind`` and must have passed before this one.

        Raises:
            Refusal: it has no report, did not pass, or left no results.
        """
        gate = gate_of(kind)
        report = self.report(gate)
        if report is None or report.status != "passed" or not isinstance(report.results, kind):
            raise Refusal(
                f"Gate {gate.upper()} has no passed report in {self.run_dir.name}; gate {self.gate.upper()} needs it.",
                f"Run `python -m runner rewind {gate.upper()}`, then advance.",
            )
        return report.results


def conclude(
    context: GateContext,
    status: Literal["passed", "failed"],
    headline: str,
    *,
    reasons: Sequence[str] = (),
    checks: Sequence[Check] = (),
    metrics: Sequence[Metric] = (),
    results: AnyResults | None = None,
    files: Sequence[Path] = (),
    choices: dict[str, str] | None = None,
) -> GateReport:
    """Return the gate's report; the worker writes it, last of all."""
    return GateReport(
        gate=context.gate,  # type: ignore[arg-type]
        title=gate_title(context.gate),
        status=status,
        headline=headline,
        reasons=list(reasons),
        attempt=context.attempt,
        started_at=context.started_at,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=context.elapsed_s(),
        checks=list(checks),
        metrics=list(metrics),
        results=results,
        inputs=context.inputs,
        artifacts=[artifact(context.run_dir, path) for path in files],
        choices=choices or {},
        versions=context.versions,
    )
