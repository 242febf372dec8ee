"""What an advance would do from here: the gates that are left, what each will do, and about how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gates import GATES
from gates.context import PlanContext
from gates.measuring.pace import Duration, recorded_durations
from gates.plans import plan
from gates.settings import Experiment
from runner.runs.config import read_config
from runner.runs.folder import Run
from runner.runs.state_machine import FINISHED


@dataclass(frozen=True, slots=True)
class ComingGate:
    """A gate that an advance would run: its plan in a line, and its duration where Gate A has measured."""

    gate: str
    title: str
    summary: str
    duration: Duration | None


@dataclass(frozen=True, slots=True)
class Coming:
    """What is left.

    Attributes:
        run: the run's name; "" is one that does not exist yet.
        gates: in order; empty where nothing is left.
        is_measured: whether Gate A has measured a step and tokens, from which durations follow.
    """

    run: str
    gates: tuple[ComingGate, ...]
    is_measured: bool


def coming_in(folder: Path, to: str) -> Coming:
    """Return what is left of the run in ``folder``, up to and including gate ``to``."""
    run = Run.open(folder)
    experiment, _ = read_config(run.file("config.yaml"))
    first = "" if run.machine.state == FINISHED else run.machine.gate
    return _coming(run.id, PlanContext(run.folder, experiment), first, to)


def coming_anew(experiment: Experiment, to: str) -> Coming:
    """Return what a new run of ``experiment`` would do, up to and including gate ``to``."""
    return _coming("", PlanContext(Path("/nonexistent"), experiment), next(iter(GATES)), to)


def _coming(name: str, context: PlanContext, first: str, to: str) -> Coming:
    durations = recorded_durations(context)
    left = [letter for letter in GATES if first and first <= letter <= to]
    gates = (
        ComingGate(letter, GATES[letter].title, plan(letter, context).summary, durations.get(letter)) for letter in left
    )
    return Coming(name, tuple(gates), bool(durations))
