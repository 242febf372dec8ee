"""Gate C, training: adapter checkpoints of the base, by the recipe that gate.c.recipe names."""

from __future__ import annotations

from importlib import import_module

from gates.c_training.recipes import RECIPES
from gates.context import GateContext
from gates.report import GateReport


def run(context: GateContext) -> GateReport:
    """Come to adapters by the configured recipe, or resume."""
    recipe = import_module(RECIPES[context.experiment.gate.c.recipe].module)
    report: GateReport = recipe.run(context)
    return report
