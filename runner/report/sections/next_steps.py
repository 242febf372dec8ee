"""What to do next: how damage is repaired, else what Gate E recommends, else the command that comes next."""

from __future__ import annotations

import re

from eval.decision.ruling import Ruling
from gates.report.results import DecisionResults
from runner.report.data import NextStep
from runner.runs.folder import command
from runner.views.artifacts import Artifacts
from runner.views.run_view import RunView

_GATE_FOLDER = re.compile(r"\bgate_([a-e])\b")


def read_repair(found: Artifacts) -> tuple[NextStep, ...]:
    """Return how a damaged run is repaired, before anything is done by what it says; () of an intact one."""
    if not found.problems:
        return ()
    gates = sorted({gate for problem in found.problems for gate in _GATE_FOLDER.findall(problem)})
    restore = NextStep("Restore the files named above as the gates wrote them.")
    if not gates:
        return (restore,)
    again = "Or repeat the first of the damaged gates; its old attempt is kept."
    return restore, NextStep(again, command=command(found.run.folder, f"rewind {gates[0].upper()}"))


def read_next_steps(found: Artifacts, view: RunView) -> tuple[NextStep, ...]:
    """Return Gate E's recommendations, else what its ruling or the run's state asks for."""
    results = found.results(DecisionResults)
    if results is None:
        return (NextStep("Continue the run.", command=view.next_command),)
    if results.recommendations:
        return tuple(NextStep(step.action, step.why) for step in results.recommendations)
    decision = results.decision
    if decision.verdict is not Ruling.PROCEED:
        return (NextStep("Keep the base model: the result does not support this adapter."),)
    if decision.smoke:
        return (NextStep("Start a run of full size.", "A smoke run decides nothing, whatever its ruling."),)
    take = command(found.run.folder, "export --to FOLDER")
    return (NextStep(f"Export the adapter (cell {decision.cell}).", command=take),)
