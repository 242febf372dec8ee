"""Gate D, sweep: adapter checkpoints at LoRA scales, raced on the dev tasks, and the chosen cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.counts import counted
from eval.decision.cells import Cell, cell_at, cell_from_name
from eval.decision.racing import Course, Place, Race, run_race
from eval.decision.rule import DecisionRule, read_rule
from eval.decision.selection import Selection, select_cell
from eval.estimation.intervals import gain_metric
from eval.records import EvalResult, Sample, TaskScore
from gates.context import GateContext, conclude
from gates.measuring.bench import Bench, base_facts, judge_facts, open_bench, require_same_base
from gates.measuring.controls import gain_text, measure_controls
from gates.measuring.search import course_of
from gates.measuring.served import announce
from gates.measuring.stored import base_of, cell_file, verified_checkpoints
from gates.report import GateReport
from gates.report.results import (
    BaselineResults,
    CellFacts,
    ChosenCell,
    ControlFacts,
    SearchFacts,
    SearchRound,
    SweepResults,
    TrainingResults,
)


@dataclass(frozen=True, slots=True)
class SweptCell:
    """One measured cell: its result on the tasks it was measured on, and its samples."""

    cell: Cell
    result: EvalResult
    file: Path


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every measured cell, the course of the search, the reason for it, and its rounds."""

    cells: list[SweptCell]
    base: EvalResult
    course: Course
    course_reason: str
    race: Race


def run(context: GateContext) -> GateReport:
    """Measure the cells on dev and choose one. Passes whenever it could measure: the decision is Gate E's."""
    rule = read_rule(context.gate_folder("a") / "rule.json")
    with open_bench(context) as bench:
        require_same_base(bench.model, context.earlier(BaselineResults))
        require_same_base(bench.model, context.earlier(TrainingResults))
        sweep = sweep_cells(context, bench, rule, verified_checkpoints(context))
        controls = measure_controls(context, bench, rule)
        base, judge = base_facts(bench.model), judge_facts(bench.verifier)
        choices = {
            **bench.choices([item.file for item in sweep.cells]),
            "search": f"{sweep.course.search}: {sweep.course_reason}",
        }
    selection = select(sweep, rule)
    results = SweepResults(
        base=base,
        judge=judge,
        k=rule.k,
        cells=cell_facts(sweep, selection),
        search=search_facts(sweep, rule),
        chosen=chosen_cell(selection),
        controls=controls,
    )
    best = next(row for row in selection.table if row.cell == selection.chosen)
    raced = " raced" if sweep.course.search == "race" else ""
    return conclude(
        context,
        "passed",
        f"{counted(len(sweep.cells), 'cell')}{raced}  best {selection.chosen.name}  "
        f"dev pass@{rule.k} {_percent(best.rate)}",
        reasons=[selection.sentence, _search_sentence(results.search), *map(_control_sentence, controls)],
        metrics=sweep.base.metrics,
        results=results,
        files=list(dict.fromkeys([*(item.file for item in sweep.cells), *_control_files(context, controls)])),
        choices=choices,
    )


def sweep_cells(context: GateContext, bench: Bench, rule: DecisionRule, folders: Mapping[str, Path]) -> Sweep:
    """Measure the cells, round by round; each round follows from stored samples, so it resumes anywhere."""
    cells = sorted(cell_at(name, scale) for name in folders for scale in context.experiment.gate.d.scales)
    places = [Place(task.id, task.family, task.cluster) for task in bench.tasks("dev")]
    course, reason = course_of(context.experiment, rule, places, len(cells))
    base = base_of(bench, context, "dev")
    overall = course.samples(rule.dev_samples)
    drawn: dict[Cell, list[Sample]] = {cell: [] for cell in cells}
    announce(bench.model, [(folders[cell.checkpoint], cell.scale) for cell in cells])

    def measure(cell: Cell, number: int) -> Sequence[TaskScore]:
        before = sum(map(len, drawn.values()))
        phase = f"round {number + 1}/{len(course.blocks)} {cell.name}"
        with bench.model.adapter(folders[cell.checkpoint], cell.scale):
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


def select(sweep: Sweep, rule: DecisionRule) -> Selection:
    """Choose the cell by the frozen rule, on dev scores alone; a cell that left the race cannot be chosen."""
    return select_cell(
        sweep.base.scores, {item.cell: item.result.scores for item in sweep.cells}, rule, sweep.race.left
    )


def cell_facts(sweep: Sweep, selection: Selection) -> tuple[CellFacts, ...]:
    """Return each cell: its result, its gain in points, on how many tasks, and after which round it left."""
    gains = {row.cell: row.gain for row in selection.table}
    return tuple(
        CellFacts(
            cell=item.cell.name,
            step=item.cell.step,
            scale=item.cell.scale,
            round=item.cell.round,
            tasks=len(item.result.scores),
            dropped_after=sweep.race.left_after.get(item.cell),
            result=item.result,
            gain=gain_metric("gain", gains[item.cell]),
            lower=None if (lower := gains[item.cell].lower) is None else 100 * lower,
        )
        for item in sweep.cells
    )


def chosen_cell(selection: Selection) -> ChosenCell:
    """Return the chosen cell and why it is that one."""
    cell = selection.chosen
    return ChosenCell(cell=cell.name, step=cell.step, scale=cell.scale, why=selection.sentence)


def search_facts(sweep: Sweep, rule: DecisionRule) -> SearchFacts:
    """Return how the cells were searched: every round with its standings (gains in points), and what it cost."""
    return SearchFacts(
        method=sweep.course.search,
        reason=sweep.course_reason,
        rounds=tuple(
            SearchRound(
                round=number,
                tasks=held.tasks,
                cells=tuple(sorted(standing.cell.name for standing in held.standings)),
                kept=tuple(cell.name for cell in held.kept),
                gains_pp={s.cell.name: None if s.gain is None else 100 * s.gain for s in held.standings},
            )
            for number, held in enumerate(sweep.race.rounds, start=1)
        ),
        samples=sum(item.result.samples for item in sweep.cells),
        planned_samples=sweep.course.samples(rule.dev_samples),
        grid_samples=len(sweep.cells) * sweep.course.tasks * rule.dev_samples,
    )


def _search_sentence(search: SearchFacts) -> str:
    if search.method == "grid":
        return f"Every cell was measured on every dev task: {counted(search.samples, 'sample')} ({search.reason})."
    left = [
        f"{len(held.cells) - len(held.kept)} left after {counted(held.tasks, 'task')}" for held in search.rounds[:-1]
    ]
    last = search.rounds[-1]
    return (
        f"The cells were raced: {', '.join(left)}, {len(last.cells)} were measured on all {last.tasks}; "
        f"{counted(search.samples, 'sample')} instead of the grid's {search.grid_samples:,}."
    )


def _control_sentence(control: ControlFacts) -> str:
    gains = ", ".join(f"{gain.name} {gain_text(gain)}" for gain in control.gains)
    return f"Against the control arm {control.arm}: {gains}."


def _control_files(context: GateContext, controls: Sequence[ControlFacts]) -> list[Path]:
    return [cell_file(context, cell_from_name(name)) for row in controls for name in (row.trained, row.cell)]


def _percent(fraction: float | None) -> str:
    return "undefined" if fraction is None else f"{100 * fraction:.1f}"
