"""Whether a concluded gate's files are still what the journal and its report say; a later gate refuses changed ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from env.files import sha256_file
from env.refusal import Refusal
from gates import GATES
from gates.report import GateReport, changed_artifacts, read_report, short
from runner.runs.folder import Run, command
from runner.runs.journal import Event, EventType
from runner.validity.freshness import Freshness, examine

CONCLUSIONS = {
    EventType.GATE_PASSED: "passed",
    EventType.GATE_REUSED: "passed",
    EventType.GATE_FAILED: "failed",
}


def require_intact(run: Run, gate: str) -> None:
    """Require that the files of every gate that ``gate`` needs are unchanged.

    Raises:
        Refusal: names the first file that is missing or changed, and the gate that wrote it.
    """
    for earlier in GATES[gate].needs:
        change = next(changes(run, earlier), None)
        if change is not None:
            raise Refusal(
                f"{change} Gate {gate.upper()} would build on it.",
                f"Restore it, or `{command(run.folder, f'rewind {earlier.upper()}')}` (it keeps the old files).",
            )


def explain(run: Run, config: dict[str, Any]) -> list[Freshness]:
    """Return every started gate's freshness, and for concluded ones which files were changed or lost."""
    return [
        replace(item, damage=tuple(changes(run, item.gate))) if run.has_concluded(item.gate) else item
        for item in examine(run, config)
    ]


def changes(run: Run, gate: str) -> Iterator[str]:
    """Yield a sentence for every file of a concluded gate that is missing or changed now."""
    report = read_report(run.gate_folder(gate) / "report.json")
    if report is None:
        yield f"gate_{gate}/report.json is missing, though the journal says gate {gate.upper()} concluded."
        return
    yield from report_changes(run, report)
    yield from changed_artifacts(run.folder, report)


def report_changes(run: Run, report: GateReport) -> Iterator[str]:
    """Yield a sentence when a concluded gate's report is not the one recorded in the journal."""
    name = f"gate_{report.gate}/report.json"
    if report.attempt != run.attempts[report.gate]:
        yield f"{name} belongs to attempt {report.attempt}, the journal is at attempt {run.attempts[report.gate]}."
    event = conclusion(run, report.gate)
    if event is None or not run.has_concluded(report.gate):
        return
    if CONCLUSIONS[event.type] != report.status:
        yield f"{name} says {report.status}, the journal says {CONCLUSIONS[event.type]}."
        return
    expected, found = str(event.data.get("report_sha256")), sha256_file(run.gate_folder(report.gate) / "report.json")
    if found != expected:
        yield (
            f"{name} was changed after gate {report.gate.upper()} wrote it: "
            f"its SHA-256 differs from the journal's (expected {short(expected)}, found {short(found)})."
        )


def conclusion(run: Run, gate: str) -> Event | None:
    """Return the last event by which ``gate`` concluded; None where it never did."""
    return next((e for e in reversed(run.journal.events) if e.gate == gate and e.type in CONCLUSIONS), None)
