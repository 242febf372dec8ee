"""What earlier gates stored for later ones: verified checkpoints, a cell's samples, the base's results."""

from __future__ import annotations

from pathlib import Path

from env.refusal import Refusal
from eval.decision.cells import Cell
from eval.pipeline.stored_samples import read_samples
from eval.records import EvalResult, Split
from gates.context import GateContext, PlanContext
from gates.measuring.bench import Bench
from gates.report.results import CheckpointFacts, TrainingResults
from training.checkpoints import read_checkpoint


def verified_checkpoints(context: GateContext) -> dict[str, Path]:
    """Return the folder of every checkpoint that Gate C reported and that can be chosen, by name (``Cell.checkpoint``).

    Raises:
        Refusal: one of them is missing or no longer matches the bytes that Gate C reported.
    """
    return {row.name: _verified(context, row) for row in context.earlier(TrainingResults).checkpoints}


def control_checkpoints(context: GateContext) -> dict[str, Path]:
    """Return the same of the checkpoints that are only compared with. Raises as ``verified_checkpoints``."""
    return {row.name: _verified(context, row) for row in context.earlier(TrainingResults).controls}


def _verified(context: GateContext, row: CheckpointFacts) -> Path:
    folder = context.run_dir / row.folder
    try:
        state = "" if read_checkpoint(folder).digest == row.digest else "not the bytes that were trained"
    except Refusal:
        state = "missing or damaged"
    if state:
        raise Refusal(
            f"Checkpoint step {row.step} in {context.gate_folder('c')} is {state}.",
            "`python -m runner rewind C`, then `advance`, trains again.",
        )
    return folder


def cell_file(context: PlanContext, cell: Cell) -> Path:
    """Return where Gate D keeps a cell's samples."""
    return context.gate_folder("d") / "cells" / cell.name / "samples.jsonl"


def base_of(bench: Bench, context: GateContext, split: Split) -> EvalResult:
    """Return the base's result on a split from the samples that Gate B stored."""
    wanted = {task.id for task in bench.tasks(split)}
    samples = [s for s in read_samples(context.gate_folder("b") / "samples.jsonl") if s.task_id in wanted]
    return bench.evaluate(samples, "base", split)
