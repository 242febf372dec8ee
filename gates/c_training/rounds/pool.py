"""The tasks that a round draws for: training rows whose checks accept their own answer and no constant one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from env.refusal import Refusal
from eval.datasets.training_tasks import training_tasks
from eval.domains import Domain
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.verifier import Verifier, unsupported
from eval.records import Row, Task
from gates.settings import Experiment

Prompt = tuple[str, str]
"""Instruction and input: by which a training row and its task know each other."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Tasks to draw for, why others were left out (reason -> how many), and gold rows that no check can judge."""

    tasks: Mapping[str, Task]
    left_out: Mapping[str, int]
    unchecked_rows: int


def find_pool(experiment: Experiment, rows: Sequence[Row], domain: Domain, verifier: Verifier) -> Pool:
    """Return the pool of the experiment; every known answer of its tasks is executed.

    Raises:
        Refusal: no training row carries checks, or none of the tasks is sound.
    """
    rejection = experiment.gate.c.rejection
    tasks = training_tasks(experiment.dataset, rejection.tasks if rejection is not None else 0)
    if not tasks:
        raise Refusal(
            f"dataset={experiment.dataset.name}: no training row carries checks, so no answer to one can be judged.",
            "Train on the rows as they are, gate/c=default, or use a dataset of this project.",
        )
    return sound_pool(tasks, rows, domain.constant_answers, verifier)


def sound_pool(tasks: Sequence[Task], rows: Sequence[Row], constants: Sequence[str], verifier: Verifier) -> Pool:
    """Return those of ``tasks`` whose own answer passes and that accept none of ``constants``.

    Raises:
        Refusal: there is none.
    """
    able = [task for task in tasks if not unsupported(verifier, [task])]
    faults: dict[str, str] = {}
    for known in judge_known_answers(able, verifier, constants, ("reference", "constant")):
        if known.fault:
            why = "their own answer fails" if known.kind == "reference" else "they accept a constant answer"
            faults.setdefault(known.task.id, why)
    left_out = Counter(faults.values())
    left_out["the verifier cannot run their checks"] += len(tasks) - len(able)
    sound = {task.id: task for task in able if task.id not in faults}
    told = {why: count for why, count in sorted(left_out.items()) if count}
    if not sound:
        reasons = ", ".join(f"{count} since {why}" for why, count in told.items())
        raise Refusal(f"No training task can be drawn for: {reasons}.", "Correct their checks or their answers.")
    checked = {(task.instruction, task.input) for task in sound.values()}
    return Pool(sound, told, sum((row.instruction, row.input) not in checked for row in rows))
