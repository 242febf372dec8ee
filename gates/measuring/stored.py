"""What earlier gates stored for later ones: verified checkpoints, a cell's samples, the base's results."""

from __future__ import annotations

from pathlib import Path

from env.refusal import Refusal
from eval.decision.cells import Cell
from eval.pipeline.stored_samples import read_samples
from eval.records import EvalResult, Split
from gates.context import GateContext, PlanContext
from gates.measuring.bench import Bench
from gates.report.results import TrainingResults
from training.checkpoints import list_checkpoints


def verified_checkpoints(context: GateContext) -> dict[int, Path]:
    """Return the folder of every checkpoint that Gate C reported, by step.

    Raises:
        Refusal: one of them is missing or no longer matches the bytes that Gate C reported.
    """
    scan = list_checkpoints(context.gate_folder("c") / "checkpoints")
    present = {item.step: item for item in scan.verified}
    folders = {}
    for row in context.earlier(TrainingResults).checkpoints:
        found = present.get(row.step)
        if found is None or found.digest != row.digest:
            state = "missing or damaged" if found is None else "not the bytes that were trained"
            raise Refusal(
                f"Checkpoint step {row.step} in {context.gate_folder('c')} is {state}.",
                "`python -m runner rewind C`, then `advance`, trains again.",
            )
        folders[row.step] = found.folder
    return folders


def cell_file(context: PlanContext, cell: Cell) -> Path:
    """Return where Gate D keeps a cell's samples."""
    return context.gate_folder("d") / "cells" / cell.name / "samples.jsonl"


def base_of(bench: Bench, context: GateContext, split: Split) -> EvalResult:
    """Return the base's result on a split from the samples that Gate B stored."""
    wanted = {task.id for task in bench.tasks(split)}
    samples = [s for s in read_samples(context.gate_folder("b") / "samples.jsonl") if s.task_id in wanted]
    return bench.evaluate(samples, "base", split)
