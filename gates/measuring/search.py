"""How the sweep searches its cells: how many there are, which is measured on which dev tasks, and why."""

from __future__ import annotations

from collections.abc import Sequence

from env.counts import counted
from eval.decision.racing import Course, Place, grid_course, race_course
from eval.decision.rule import DecisionRule
from gates.settings import Experiment, planned_trainings


def planned_cells(experiment: Experiment, rows: int) -> int:
    """Return how many cells there are to sweep after training on ``rows`` rows."""
    checkpoints = sum(each.checkpoints for each in planned_trainings(experiment, rows) if not each.arm)
    return checkpoints * len(experiment.gate.d.scales)


def course_of(experiment: Experiment, rule: DecisionRule, places: Sequence[Place], cells: int) -> tuple[Course, str]:
    """Return which cells are measured on which dev tasks, and why it is a race or a grid."""
    why = why_grid(experiment, rule.selection, cells)
    if why:
        return grid_course(places, cells), why
    course = race_course(places, cells, experiment.gate.d.race, experiment.seed)
    if course.search == "grid":
        return course, "the dev tasks are too few for a round before the last"
    rounds = zip(course.fields, course.blocks, strict=True)
    return course, ", ".join(f"{counted(field, 'cell')} on {counted(len(block), 'task')}" for field, block in rounds)


def why_grid(experiment: Experiment, selection: str, cells: int) -> str:
    """Return why every cell is measured on every dev task; "" where they race."""
    config = experiment.gate.d
    if config.search == "grid":
        return "gate.d.search=grid"
    if selection == "max-t":
        return "without a test split the bounds need all cells on all tasks"
    if cells <= config.race.finalists:
        return f"{counted(cells, 'cell')} are not more than the {config.race.finalists} finalists of a race"
    return ""
