"""Gate D, sweep: adapter checkpoints at LoRA scales, raced on the dev tasks, and the one cell that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from env.refusal import Refusal
from gates.c_training.gate import planned_training
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext
from gates.document import Document
from gates.report import GateReport
from training.schedule import checkpoint_count, with_steps

if TYPE_CHECKING:
    from eval.decision.cells import Cell
    from eval.decision.racing import Course, Place, Race, Schedule
    from eval.decision.rule import DecisionRule
    from eval.decision.verdict import Selection
    from eval.records import EvalResult, Sample, TaskScore
    from gates.measuring.bench import Bench
    from gates.settings import Experiment

TITLE = "sweep"
USES = ("seed", "model", "backend", "dataset", "verifier", "sampling", "rule")
NEEDS = ("a", "b", "c")


class RaceConfig(Document):
    """How a race thins its field (eval/decision/racing.py): shares of the dev tasks and of the cells, in percent."""

    task_pct: tuple[float, ...] = Field(min_length=1)
    min_tasks: int = Field(ge=1)
    keep_pct: float = Field(gt=0, lt=100)
    finalists: int = Field(ge=1)

    @field_validator("task_pct")
    @classmethod
    def _rising(cls, task_pct: tuple[float, ...]) -> tuple[float, ...]:
        if any(before >= after for before, after in pairwise((0.0, *task_pct, 100.0))):
            raise ValueError("shares must rise, between 0 and 100")
        return task_pct


class Config(Document):
    """Gate D's configuration.

    ``scales``: the LoRA scales at which every checkpoint is measured (1.0 = as trained).
    ``search``: "race" lets weaker cells leave early, "grid" measures every cell on every dev task.
    """

    scales: tuple[float, ...] = Field(min_length=1)
    search: Literal["race", "grid"]
    race: RaceConfig

    @field_validator("scales")
    @classmethod
    def _distinct_and_positive(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if any(scale <= 0 or round(scale, 2) != scale for scale in scales) or len(set(scales)) != len(scales):
            raise ValueError("scales must be distinct, above 0 and in hundredths")
        return scales


@dataclass(frozen=True, slots=True)
class SweptCell:
    """One measured cell: its result on the tasks it was measured on, and its samples."""

    cell: Cell
    result: EvalResult
    file: Path


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every measured cell, the course they ran, why it was this one, and how it went."""

    cells: list[SweptCell]
    base: EvalResult
    course: Course
    course_reason: str
    race: Race


def plan(context: PlanContext) -> Plan:
    """Return how many cells are measured, and on how many samples at most."""
    from eval.decision.racing import planned_samples

    experiment = context.experiment
    train, config = planned_training(experiment), experiment.gate.d
    if not train.max_steps:
        return Plan(f"every checkpoint x {len(config.scales)} scales on the dev tasks")
    checkpoints = checkpoint_count(train)
    cells, rule = checkpoints * len(config.scales), context.frozen_rule()
    summary = f"{checkpoints} checkpoints x {len(config.scales)} scales on the dev tasks"
    if rule is None and not experiment.dataset.tasks_known:
        return Plan(summary)
    tasks = rule["dev_tasks"] if rule else experiment.dataset.dev_tasks
    per_task = experiment.sampling.samples_dev
    grid = cells * tasks * per_task
    if _why_grid(experiment, rule["selection"] if rule else experiment.rule.selection, cells):
        return Plan(f"{summary}, {grid:,} samples", grid, "samples")
    raced = planned_samples(tasks, cells, per_task, _schedule(experiment))
    return Plan(f"{summary}, a race of about {raced:,} samples (the grid {grid:,})", raced, "samples")


def planned_cells(experiment: Experiment, rows: int) -> int:
    """Return how many cells training on ``rows`` rows leaves to sweep."""
    return checkpoint_count(with_steps(experiment.gate.c.train, rows)) * len(experiment.gate.d.scales)


def course_of(experiment: Experiment, rule: DecisionRule, places: Sequence[Place], cells: int) -> tuple[Course, str]:
    """Return who is measured on which dev tasks, and why it is a race or a grid."""
    from eval.decision.racing import grid_course, race_course

    why_grid = _why_grid(experiment, rule.selection, cells)
    if why_grid:
        return grid_course(places, cells), why_grid
    course = race_course(places, cells, _schedule(experiment), experiment.seed)
    if course.search == "grid":
        return course, "the dev tasks are too few for a round before the last"
    rounds = zip(course.fields, course.blocks, strict=True)
    return course, ", ".join(f"{field} cells on {len(block)} tasks" for field, block in rounds)


def _why_grid(experiment: Experiment, selection: str, cells: int) -> str:
    """Return why every cell must meet every dev task; "" where they race."""
    config = experiment.gate.d
    if config.search == "grid":
        return "gate.d.search=grid"
    if selection == "max-t":
        return "without a test split the bounds are those of all cells on all tasks"
    if cells <= config.race.finalists:
        return f"{cells} cells are no more than the {config.race.finalists} finalists of a race"
    return ""


def _schedule(experiment: Experiment) -> Schedule:
    from eval.decision.racing import Schedule

    return Schedule(**experiment.gate.d.race.model_dump())


def run(context: GateContext) -> GateReport:
    """Measure the cells on dev and choose one. Passes whenever it could measure: the decision is Gate E's."""
    from eval.decision.rule import read_rule
    from gates.measuring.bench import base_table, judge_table, open_bench, require_same_base

    baseline, training = context.earlier("b"), context.earlier("c")
    rule = read_rule(context.gate_folder("a") / "rule.json")
    with open_bench(context) as bench:
        require_same_base(bench.model, baseline)
        require_same_base(bench.model, training)
        sweep = sweep_cells(context, bench, rule, verified_checkpoints(context, training))
        tables: dict[str, Any] = {"base": base_table(bench.model), "judge": judge_table(bench.verifier), "k": rule.k}
        choices = {**bench.model.choices, "search": f"{sweep.course.search}: {sweep.course_reason}"}
    selection = select(sweep, rule)
    tables |= {"cells": cell_rows(sweep, selection), "search": search_table(sweep, rule)}
    tables["chosen"] = {**asdict(selection.chosen), "cell": selection.chosen.name, "why": selection.sentence}
    best = next(row for row in selection.table if row.cell == selection.chosen)
    raced = " raced" if sweep.course.search == "race" else ""
    return conclude(
        context,
        "passed",
        f"{len(sweep.cells)} cells{raced}  best {selection.chosen.name}  dev pass@{rule.k} {_percent(best.rate)}",
        reasons=[selection.sentence, _search_sentence(tables["search"])],
        metrics=sweep.base.metrics,
        tables=tables,
        files=[item.file for item in sweep.cells],
        choices=choices,
    )


def verified_checkpoints(context: GateContext, training: GateReport) -> dict[int, Path]:
    """Return the folder of every checkpoint that Gate C reported, by step.

    Raises:
        Refusal: one of them is missing or no longer has the bytes that Gate C reported.
    """
    from training.checkpoints import list_checkpoints

    scan = list_checkpoints(context.gate_folder("c") / "checkpoints")
    present = {item.step: item for item in scan.verified}
    folders = {}
    for row in training.tables["checkpoints"]:
        found = present.get(row["step"])
        if found is None or found.digest != row["digest"]:
            state = "missing or damaged" if found is None else "not the bytes that were trained"
            raise Refusal(
                f"Checkpoint step {row['step']} in {context.gate_folder('c')} is {state}.",
                "`python -m runner rewind C`, then advance, trains again.",
            )
        folders[row["step"]] = found.folder
    return folders


def sweep_cells(context: GateContext, bench: Bench, rule: DecisionRule, folders: dict[int, Path]) -> Sweep:
    """Measure the cells, round by round; what a round holds follows from stored samples, so it resumes anywhere."""
    from eval.decision.cells import Cell
    from eval.decision.racing import Place, run_race

    cells = sorted(Cell(step, scale) for step in folders for scale in context.experiment.gate.d.scales)
    places = [Place(task.id, task.family, task.cluster) for task in bench.tasks("dev")]
    course, reason = course_of(context.experiment, rule, places, len(cells))
    base = base_of(bench, context, "dev")
    overall = course.samples(rule.dev_samples)
    drawn: dict[Cell, list[Sample]] = {cell: [] for cell in cells}

    def measure(cell: Cell, number: int) -> Sequence[TaskScore]:
        before = sum(map(len, drawn.values()))
        phase = f"round {number + 1}/{len(course.blocks)} {cell.name}"
        with bench.model.adapter(folders[cell.step], cell.scale):
            drawn[cell] += bench.measure(
                cell.name, "dev", cell_file(context, cell), phase, before, overall, course.blocks[number]
            )
        # a round of few tasks is too short to tell one percent of missing samples
        if number or len(course.blocks) == 1:
            bench.require_judged([sample for samples in drawn.values() for sample in samples], "the sweep")
        return bench.scores(drawn[cell], cell.name, course.so_far(number))

    race = run_race(cells, base.scores, course, measure, rule.k)
    swept = [
        SweptCell(
            cell,
            bench.result(drawn[cell], cell.name, "dev", {score.task_id for score in race.scores[cell]}),
            cell_file(context, cell),
        )
        for cell in cells
    ]
    return Sweep(swept, base, course, reason, race)


def cell_file(context: PlanContext, cell: Cell) -> Path:
    """Return where Gate D keeps a cell's samples."""
    return context.gate_folder("d") / "cells" / cell.name / "samples.jsonl"


def base_of(bench: Bench, context: GateContext, split: str) -> EvalResult:
    """Return the base's result on a split from the samples that Gate B stored."""
    from eval.pipeline.loop import read_samples

    wanted = {task.id for task in bench.tasks(split)}
    samples = [s for s in read_samples(context.gate_folder("b") / "samples.jsonl") if s.task_id in wanted]
    return bench.evaluate(samples, "base", split)


def select(sweep: Sweep, rule: DecisionRule) -> Selection:
    """Choose the cell by the frozen rule, on dev scores alone; a cell that left the race cannot be chosen."""
    from eval.decision.verdict import select_cell

    return select_cell(
        sweep.base.scores, {item.cell: item.result.scores for item in sweep.cells}, rule, sweep.race.left
    )


def cell_rows(sweep: Sweep, selection: Selection) -> list[dict[str, Any]]:
    """Return one row a cell: its result, its gain in points, on how many tasks, and after which round it left."""
    from eval.estimation.intervals import gain_metric

    gains = {row.cell: row.gain for row in selection.table}
    lower = {cell: None if gain.lower is None else 100 * gain.lower for cell, gain in gains.items()}
    return [
        {
            "cell": item.cell.name,
            "step": item.cell.step,
            "scale": item.cell.scale,
            "tasks": len(item.result.scores),
            "dropped_after": sweep.race.left_after.get(item.cell),
            "result": asdict(item.result),
            "gain": asdict(gain_metric("gain", gains[item.cell])),
            "lower": lower[item.cell],
        }
        for item in sweep.cells
    ]


def search_table(sweep: Sweep, rule: DecisionRule) -> dict[str, Any]:
    """Return how the cells were searched: every round with its standings (gains in points), and what it cost."""
    return {
        "method": sweep.course.search,
        "reason": sweep.course_reason,
        "rounds": [
            {
                "round": number,
                "tasks": held.tasks,
                "cells": sorted(standing.cell.name for standing in held.standings),
                "kept": [cell.name for cell in held.kept],
                "gains_pp": {s.cell.name: None if s.gain is None else 100 * s.gain for s in held.standings},
            }
            for number, held in enumerate(sweep.race.rounds, start=1)
        ],
        "samples": sum(item.result.samples for item in sweep.cells),
        "planned_samples": sweep.course.samples(rule.dev_samples),
        "grid_samples": len(sweep.cells) * sweep.course.tasks * rule.dev_samples,
    }


def _search_sentence(search: Mapping[str, Any]) -> str:
    if search["method"] == "grid":
        return f"Every cell was measured on every dev task: {search['samples']:,} samples ({search['reason']})."
    left = [
        f"{len(held['cells']) - len(held['kept'])} left after {held['tasks']} tasks" for held in search["rounds"][:-1]
    ]
    last = search["rounds"][-1]
    return (
        f"The cells were raced: {', '.join(left)}, {len(last['cells'])} were measured on all {last['tasks']}; "
        f"{search['samples']:,} samples instead of the grid's {search['grid_samples']:,}."
    )


def _percent(fraction: float | None) -> str:
    return "undefined" if fraction is None else f"{100 * fraction:.1f}"
