"""Gate D, sweep: every adapter checkpoint at every LoRA scale on the dev tasks, and the one cell that goes on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from env.refusal import Refusal
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext
from gates.document import Document
from gates.report import GateReport

if TYPE_CHECKING:
    from eval.cells import Cell
    from eval.decision import Selection
    from eval.records import EvalResult
    from eval.rule import DecisionRule
    from gates.measuring import Bench

TITLE = "sweep"
USES = ("seed", "model", "backend", "dataset", "verifier", "sampling", "rule")
NEEDS = ("a", "b", "c")


class Config(Document):
    """Gate D's configuration: the LoRA scales at which every checkpoint is measured (1.0 = as trained)."""

    scales: tuple[float, ...] = Field(min_length=1)

    @field_validator("scales")
    @classmethod
    def _distinct_and_positive(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if any(scale <= 0 or round(scale, 2) != scale for scale in scales) or len(set(scales)) != len(scales):
            raise ValueError("scales must be distinct, above 0 and in hundredths")
        return scales


@dataclass(frozen=True, slots=True)
class SweptCell:
    """One measured cell."""

    cell: Cell
    result: EvalResult
    file: Path


def plan(context: PlanContext) -> Plan:
    """Return how many cells are measured, and on how many samples."""
    experiment = context.experiment
    train, scales = experiment.gate.c.train, experiment.gate.d.scales
    checkpoints = train.max_steps // train.checkpoint_every
    cells = checkpoints * len(scales)
    summary = f"{checkpoints} checkpoints x {len(scales)} scales on the dev tasks"
    if not experiment.dataset.tasks_known:
        return Plan(summary)
    units = cells * experiment.dataset.dev_tasks * experiment.sampling.samples_dev
    return Plan(f"{summary}, {units:,} samples", units, "samples")


def run(context: GateContext) -> GateReport:
    """Measure every cell on dev and choose one. Passes whenever it could measure: the decision is Gate E's."""
    from eval.rule import read_rule
    from gates.measuring import base_table, judge_table, open_bench, require_same_base

    baseline, training = context.earlier("b"), context.earlier("c")
    rule = read_rule(context.gate_folder("a") / "rule.json")
    with open_bench(context) as bench:
        require_same_base(bench.model, baseline)
        require_same_base(bench.model, training)
        swept = _sweep(context, bench, training)
        base = base_of(bench, context, "dev")
        tables: dict[str, Any] = {"base": base_table(bench.model), "judge": judge_table(bench.verifier), "k": rule.k}
        choices = dict(bench.model.choices)
    selection = select(base, swept, rule)
    tables["cells"] = _cell_rows(swept, selection)
    tables["chosen"] = {**asdict(selection.chosen), "cell": selection.chosen.name, "why": selection.sentence}
    best = next(row for row in selection.table if row.cell == selection.chosen)
    return conclude(
        context,
        "passed",
        f"{len(swept)} cells  best {selection.chosen.name}  dev pass@{rule.k} {_percent(best.rate)}",
        reasons=[selection.sentence],
        metrics=base.metrics,
        tables=tables,
        files=[item.file for item in swept],
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


def _sweep(context: GateContext, bench: Bench, training: GateReport) -> list[SweptCell]:
    from eval.cells import Cell

    folders = verified_checkpoints(context, training)
    cells = [Cell(step, scale) for step in folders for scale in context.experiment.gate.d.scales]
    each = bench.planned("dev")
    swept = []
    for number, cell in enumerate(sorted(cells)):
        file = context.folder / "cells" / cell.name / "samples.jsonl"
        phase = f"cell {number + 1}/{len(cells)} {cell.name}"
        with bench.model.adapter(folders[cell.step], cell.scale):
            samples = bench.measure(cell.name, "dev", file, phase, number * each, len(cells) * each)
        swept.append(SweptCell(cell, bench.evaluate(samples, cell.name, "dev"), file))
    return swept


def base_of(bench: Bench, context: GateContext, split: str) -> EvalResult:
    """Return the base's result on a split from the samples that Gate B stored."""
    from eval.pipeline import read_samples

    wanted = {task.id for task in bench.tasks(split)}
    samples = [s for s in read_samples(context.gate_folder("b") / "samples.jsonl") if s.task_id in wanted]
    return bench.evaluate(samples, "base", split)


def select(base: EvalResult, swept: list[SweptCell], rule: DecisionRule) -> Selection:
    """Choose the cell by the frozen rule, on dev scores alone."""
    from eval.decision import select_cell

    return select_cell(base.scores, {item.cell: item.result.scores for item in swept}, rule)


def _cell_rows(swept: list[SweptCell], selection: Selection) -> list[dict[str, Any]]:
    from eval.intervals import gain_metric

    gains = {row.cell: row.gain for row in selection.table}
    lower = {cell: None if gain.lower is None else 100 * gain.lower for cell, gain in gains.items()}
    return [
        {
            "cell": item.cell.name,
            "step": item.cell.step,
            "scale": item.cell.scale,
            "result": asdict(item.result),
            "gain": asdict(gain_metric("gain", gains[item.cell])),
            "lower": lower[item.cell],
        }
        for item in swept
    ]


def _percent(fraction: float | None) -> str:
    return "undefined" if fraction is None else f"{100 * fraction:.1f}"
