"""The experiment's gates, in order: what each is, as plain data. Listing them imports no gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from env.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of the experiment.

    Attributes:
        letter: its key everywhere: folders, reports, the command line.
        title: its short name on screens.
        module: where ``run(ctx) -> GateReport`` is, as text.
        uses: the shared configuration sections that its results depend on, besides its own.
        needs: the gates whose results it reads.
        stores: what it keeps besides its report: "samples" (verified completions), "checkpoints", "rule".
        reusable: whether its results serve another run of the same inputs: only what was measured or trained does.
            A describes the machine as it is now; E opens the test tasks, which every run must do, and count, itself.
    """

    letter: str
    title: str
    module: str
    uses: tuple[str, ...]
    needs: tuple[str, ...]
    stores: frozenset[str] = frozenset()
    reusable: bool = False

    def uses_of(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the shared sections that this gate's results depend on under ``config``."""
        del config
        return self.uses


_MODEL_AND_DATA = ("seed", "model", "backend", "dataset", "prompt")
_MEASUREMENT = (*_MODEL_AND_DATA, "verifier", "sampling", "rule")

GATES: dict[str, Gate] = {
    gate.letter: gate
    for gate in (
        Gate("a", "environment", "gates.a_environment.gate", _MEASUREMENT, (), frozenset({"rule"})),
        Gate("b", "baseline", "gates.b_baseline", _MEASUREMENT, ("a",), frozenset({"samples"}), reusable=True),
        Gate(
            "c", "training", "gates.c_training.gate", _MODEL_AND_DATA, ("a",), frozenset({"checkpoints"}), reusable=True
        ),
        Gate("d", "sweep", "gates.d_sweep", _MEASUREMENT, ("a", "b", "c"), frozenset({"samples"}), reusable=True),
        Gate(
            "e",
            "decision",
            "gates.e_decision.gate",
            (*_MEASUREMENT, "smoke"),
            ("a", "b", "c", "d"),
            frozenset({"samples"}),
        ),
    )
}


def gates_that_store(what: str) -> tuple[str, ...]:
    """Return the letters of the gates that keep ``what``, in order."""
    return tuple(letter for letter, gate in GATES.items() if what in gate.stores)


def require_samples(gate: str) -> None:
    """Raise Refusal unless ``gate`` is one that stores samples."""
    if "samples" not in GATES[gate].stores:
        *others, last = (letter.upper() for letter in gates_that_store("samples"))
        raise Refusal(f"Gate {gate.upper()} has no samples.", f"Use {', '.join(others)} or {last}.")


def gate_module(gate: str) -> ModuleType:
    """Return the module of a gate, which has ``run(ctx) -> GateReport``."""
    return import_module(GATES[gate].module)


def gate_title(gate: str) -> str:
    """Return a gate's short name: "environment" for "a". Imports nothing."""
    return GATES[gate].title
