"""The answers that a correction begins with: those that a gate stored, or drawn from the training pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal
from eval.datasets.training_tasks import training_tasks
from eval.decision.cells import Cell, cell_from_name
from eval.pipeline.stored_samples import read_samples
from eval.records import Sample, Task
from gates import no_samples_yet, stores
from gates.context import GateContext
from gates.correcting.request import TRAIN, Request, is_about_test, is_about_training
from gates.measuring.bench import approved_dataset
from gates.measuring.stored import cell_file
from gates.report.results import SweepResults, TrainingResults

BASE = "base"


@dataclass(frozen=True, slots=True)
class Source:
    """One arm's answers before the first turn: ``file`` holds them; ``cell`` is None for the base."""

    arm: str
    cell: Cell | None
    file: Path


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a correction begins: the tasks of ``split``, and each arm's answers to them.

    ``samples_each``: to draw of each task first; 0 where a gate has drawn them.
    """

    split: str
    tasks: tuple[Task, ...]
    sources: tuple[Source, ...]
    samples_each: int = 0

    def stored(self, source: Source) -> list[Sample]:
        """Return the stored answers of an arm to these tasks."""
        wanted = {task.id for task in self.tasks}
        return [s for s in read_samples(source.file) if s.arm == source.arm and s.task_id in wanted]


def begun(context: GateContext, request: Request, folder: Path) -> Begun:
    """Return the base's and the adapter's answers that the request's gate is about.

    B and D measured dev tasks, E test tasks; under C training tasks are answered in ``folder`` first.

    Raises:
        Refusal: the gate has not concluded, generated nothing itself, or there are no training tasks with checks.
    """
    gate = request.gate
    if context.report(gate) is None:
        raise no_samples_yet(gate, context.run_dir.name)
    if is_about_training(gate):
        return _of_pool(context, request.tasks, folder)
    split = "test" if is_about_test(gate) else "dev"
    tasks = tuple(task for task in approved_dataset(context).tasks if task.split == split)
    sources = _measured(context, gate)
    found = Begun(split, tasks, tuple(sources))
    for source in sources:
        if not found.stored(source):
            raise Refusal(
                f"{source.file} holds no answer of {source.arm} to a {split} task.", "Rewind the gate that wrote it."
            )
    return found


def _measured(context: GateContext, gate: str) -> Sequence[Source]:
    base = Source(BASE, None, context.gate_folder("b") / "samples.jsonl")
    if not is_about_test(gate) and not stores(gate, "cells"):
        return [base]
    chosen = cell_from_name(context.earlier(SweepResults).chosen.cell)
    own = context.gate_folder(gate) / "samples.jsonl" if is_about_test(gate) else cell_file(context, chosen)
    if not own.is_file():
        raise Refusal(
            "Gate E of this run opened no test task: its decision is about the dev tasks.",
            "Correct the answers of D, on the dev tasks.",
        )
    return [base, Source(chosen.name, chosen, own)]


def _of_pool(context: GateContext, count: int, folder: Path) -> Begun:
    """Return training tasks for the base and the chosen cell; before there is one, the last checkpoint as trained."""
    experiment = context.experiment
    wanted = count or sum(task.split == "dev" for task in approved_dataset(context).tasks)
    tasks = training_tasks(experiment.dataset, wanted)
    if not tasks:
        raise Refusal(
            f"The training rows of {experiment.dataset.name} carry no checks: no answer to them can be judged.",
            "Use a dataset of the project's own.",
        )
    sweep = context.report("d")
    if sweep is not None and isinstance(sweep.results, SweepResults):
        cell = cell_from_name(sweep.results.chosen.cell)
    else:
        last = context.earlier(TrainingResults).checkpoints[-1]
        cell = Cell(last.step, 1.0, last.round)
    arms = [(BASE, None), (cell.name, cell)]
    sources = tuple(Source(arm, own, folder / "turn_0" / arm / "samples.jsonl") for arm, own in arms)
    return Begun(TRAIN, tasks, sources, experiment.sampling.samples_dev)
