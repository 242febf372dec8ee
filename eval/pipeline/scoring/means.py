"""Mean marks of one or two arms over the same tasks, with intervals clustered like those of pass@k."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from eval.estimation.estimators import TaskValues
from eval.estimation.intervals import Estimate, estimate_gain, estimate_rate
from eval.pipeline.scoring import PARTS, Scores, ScoreWeights, weighted

TOTAL = "total"
Marks = Sequence[Scores | None]


@dataclass(frozen=True, slots=True)
class MarkedTask:
    """The marks of a task's samples under both arms; None for a sample that could not be judged."""

    task_id: str
    family: str
    cluster: str
    base: Marks
    cell: Marks = ()


@dataclass(frozen=True, slots=True)
class PartMeans:
    """The mean of one mark, or of the total, over tasks: each 0 to 1, ``gain`` -1 to 1 on the tasks of both arms."""

    part: str
    base: Estimate
    cell: Estimate
    gain: Estimate


def mean_scores(tasks: Sequence[MarkedTask], weights: ScoreWeights, seed: int, resamples: int) -> tuple[PartMeans, ...]:
    """Return the means of the four marks and of their total: over a task's samples first, then over tasks.

    A task without a judged sample is left out of its arm. ``Estimate.k`` is the most samples of a task.
    """
    means = []
    for part in (*PARTS, TOTAL):
        mark = _mark(part, weights)
        base = {task.task_id: _mean(task.base, mark) for task in tasks}
        cell = {task.task_id: _mean(task.cell, mark) for task in tasks}
        rates = [_values(tasks, arm) for arm in (base, cell)]
        gains = _values(tasks, {name: _difference(cell[name], base[name]) for name in base})
        one, other = (estimate_rate(rate, seed=seed, resamples=resamples) for rate in rates)
        means.append(PartMeans(part, one, other, estimate_gain(gains, seed=seed, resamples=resamples)))
    return tuple(means)


def _mark(part: str, weights: ScoreWeights) -> Callable[[Scores], float]:
    if part == TOTAL:
        return lambda scores: weighted(scores, weights)
    return lambda scores: float(getattr(scores, part))


def _mean(marks: Marks, mark: Callable[[Scores], float]) -> float | None:
    judged = [mark(scores) for scores in marks if scores is not None]
    return fmean(judged) if judged else None


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _values(tasks: Sequence[MarkedTask], means: dict[str, float | None]) -> TaskValues:
    defined = [(task, value) for task in tasks if (value := means[task.task_id]) is not None]
    return TaskValues(
        task_ids=tuple(task.task_id for task, _ in defined),
        families=tuple(task.family for task, _ in defined),
        clusters=tuple(task.cluster for task, _ in defined),
        values=np.array([value for _, value in defined], dtype=np.float64),
        k=max((max(len(task.base), len(task.cell)) for task in tasks), default=0),
    )
