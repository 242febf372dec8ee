"""The experiment's gates, in order: what each is, as plain data. Listing them imports no gate."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of the experiment.

    Attributes:
        letter: its key everywhere: folders, reports, the command line.
        title: its short name on screens.
        module: where ``run(ctx) -> GateReport`` is, as text.
    """

    letter: str
    title: str
    module: str


GATES: dict[str, Gate] = {
    gate.letter: gate
    for gate in (
        Gate("a", "environment", "gates.a_environment.gate"),
        Gate("b", "baseline", "gates.b_baseline"),
        Gate("c", "training", "gates.c_training.gate"),
        Gate("d", "sweep", "gates.d_sweep"),
        Gate("e", "decision", "gates.e_decision.gate"),
    )
}


def gate_module(gate: str) -> ModuleType:
    """Return the module of a gate: TITLE, USES, NEEDS, Config, plan(ctx), run(ctx) -> GateReport."""
    return import_module(GATES[gate].module)


def gate_title(gate: str) -> str:
    """Return a gate's short name: "environment" for "a". Imports nothing."""
    return GATES[gate].title
