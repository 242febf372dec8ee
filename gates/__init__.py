"""The experiment's gates, in order."""

from importlib import import_module
from types import ModuleType

GATES: dict[str, str] = {
    "a": "gates.a_environment",
    "b": "gates.b_baseline",
    "c": "gates.c_training",
    "d": "gates.d_sweep",
    "e": "gates.e_decision",
}


def gate_module(gate: str) -> ModuleType:
    """Return the module of a gate: TITLE, USES, NEEDS, Config, plan(ctx), run(ctx) -> GateReport."""
    return import_module(GATES[gate])


def gate_title(gate: str) -> str:
    """Return a gate's short name, as its module is called: "environment" for "a". Imports nothing."""
    return GATES[gate].partition("_")[2]
