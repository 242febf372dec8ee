"""The experiment's gates, in order: what each is, as plain data. Listing them imports no gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from env.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate of the experiment.

    Attributes:
        letter: its key everywhere: folders, reports, the command line.
        title: its short name on screens.
        module: where ``run(ctx) -> GateReport`` is, as text.
        uses: the shared configuration sections that its results depend on, besides its own and its recipe's.
        needs: the gates whose results it reads.
        stores: what it keeps besides its report: "samples" (verified completions), "cells" (samples in a folder for
            each checkpoint and scale), "checkpoints", "rule", "decision".
        heaviest: what it computes that needs the most memory.
        adds: what it adds to a report, in words.
        reusable: whether its results serve another run of the same inputs: only what was measured or trained does.
            A describes the machine as it is now; E opens the test tasks, which every run must do, and count, itself.
        recipes: the table of ways to its results, as text: a module with ``uses(config)`` and ``own_keys(config)``;
            "" where there is one way.
    """

    letter: str
    title: str
    module: str
    uses: tuple[str, ...]
    needs: tuple[str, ...]
    stores: frozenset[str]
    heaviest: Literal["training step", "generation"]
    adds: str
    reusable: bool = False
    recipes: str = ""

    def uses_under(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the shared sections that its results depend on under a plain configuration."""
        return (*self.uses, *import_module(self.recipes).uses(config)) if self.recipes else self.uses

    def own_keys(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of its own section that its results depend on."""
        mine: dict[str, Any] = config["gate"][self.letter]
        return import_module(self.recipes).own_keys(config) if self.recipes else mine


_MODEL_AND_DATA = ("seed", "model", "backend", "dataset", "prompt")
_MEASUREMENT = (*_MODEL_AND_DATA, "sampler", "verifier", "sampling", "rule")

GATES: dict[str, Gate] = {
    gate.letter: gate
    for gate in (
        Gate(
            letter="a",
            title="environment",
            module="gates.a_environment.gate",
            uses=_MEASUREMENT,
            needs=(),
            stores=frozenset({"rule"}),
            heaviest="training step",
            adds="the frozen rule and the checks of machine and data",
        ),
        Gate(
            letter="b",
            title="baseline",
            module="gates.b_baseline",
            uses=_MEASUREMENT,
            needs=("a",),
            stores=frozenset({"samples"}),
            heaviest="generation",
            adds="what the base model can do",
            reusable=True,
        ),
        Gate(
            letter="c",
            title="training",
            module="gates.c_training.gate",
            uses=_MODEL_AND_DATA,
            needs=("a",),
            stores=frozenset({"checkpoints"}),
            heaviest="training step",
            adds="the adapter and its loss curve",
            reusable=True,
            recipes="gates.c_training.recipes",
        ),
        Gate(
            letter="d",
            title="sweep",
            module="gates.d_sweep",
            uses=_MEASUREMENT,
            needs=("a", "b", "c"),
            stores=frozenset({"samples", "cells"}),
            heaviest="generation",
            adds="the sweep over checkpoints and scales",
            reusable=True,
        ),
        Gate(
            letter="e",
            title="decision",
            module="gates.e_decision.gate",
            uses=(*_MEASUREMENT, "smoke"),
            needs=("a", "b", "c", "d"),
            stores=frozenset({"samples", "decision"}),
            heaviest="generation",
            adds="the decision on unseen tasks",
        ),
    )
}
LAST = list(GATES)[-1]


def stores(gate: str, what: str) -> bool:
    """Whether ``gate`` keeps ``what`` besides its report; no gate, "", keeps nothing."""
    return gate in GATES and what in GATES[gate].stores


def gates_that_store(what: str) -> tuple[str, ...]:
    """Return the letters of the gates that keep ``what``, in order."""
    return tuple(letter for letter, gate in GATES.items() if what in gate.stores)


def require_samples(gate: str) -> None:
    """Raise Refusal unless ``gate`` is one that stores samples."""
    if not stores(gate, "samples"):
        *others, last = (letter.upper() for letter in gates_that_store("samples"))
        raise Refusal(f"Gate {gate.upper()} has no samples.", f"Use {', '.join(others)} or {last}.")


def no_samples_yet(gate: str, run: str, advance: str = "python -m runner advance") -> Refusal:
    """Return the refusal of samples that ``gate`` of ``run`` will store only later."""
    return Refusal(f"Gate {gate.upper()} of {run} has no samples yet.", f"`{advance}` continues.")


def gate_module(gate: str) -> ModuleType:
    """Return the module of a gate, which has ``run(ctx) -> GateReport``."""
    return import_module(GATES[gate].module)


def gate_title(gate: str) -> str:
    """Return a gate's short name: "environment" for "a". Imports nothing."""
    return GATES[gate].title
