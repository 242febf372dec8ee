"""Runs, views and pulses to put on a screen, and the text that a screen makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from env.heartbeat import Pulse
from gates.report import GateReport, read_report
from runner.runs.folder import Run
from runner.screens import ink
from runner.views.run_view import RunView, view_run
from tests.support.run_edits import record_start
from tests.support.run_factory import make_run
from tests.support.story import Story

ADVANCE = "python -m runner advance"


def report_of(run: Run, gate: str) -> GateReport:
    report = read_report(run.gate_folder(gate) / "report.json")
    assert report is not None
    return report


def text_of(lines: list[ink.Line], width: int | None = 80) -> str:
    return "\n".join(ink.rendered(lines, ink.Paper(width)))


def in_training(results: Path) -> Run:
    """A run whose Gate C has begun and left a finished and a torn checkpoint."""
    run = make_run(results, Story(gates="ab"))
    record_start(run, "c")
    for step, done in ((40, True), (80, False)):
        folder = run.gate_folder("c") / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        if done:
            (folder / "CHECKPOINT.json").write_text("{}")
    return run


def pulse(**changes: object) -> Pulse:
    base = Pulse(
        17146, "h", "b", "base on dev", 100, 300, "samples", 24.2, 8.3, 1203.4, "", 0.0, 1.0, "", 5.0, rate_over_s=60.0
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def running_view(run: Run, now: Pulse, age_s: float) -> RunView:
    view = view_run(run)
    gates = [
        replace(g, state="running", text="training 85/120 steps  loss 0.912") if g.gate == "c" else g
        for g in view.gates
    ]
    command = "python -m runner status --watch"
    return replace(view, gates=tuple(gates), running=True, pulse=now, pulse_age_s=age_s, next_command=command)
