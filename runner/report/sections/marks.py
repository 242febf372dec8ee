"""The marks of a report: of every sample, and their means under both arms with clustered intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from env.refusal import Refusal
from eval.estimation.intervals import RESAMPLES, SEED, Estimate
from eval.pipeline.scoring import PARTS, Scorer, ScoreWeights
from eval.pipeline.scoring.means import TOTAL, MarkedTask, PartMeans, mean_scores
from eval.records import Sample
from runner.report.data import Interval, MarkRow, Marks, TaskView
from runner.views.artifacts import Artifacts, read_config
from runner.views.marks import marks_of, read_weights, scorer_of_run, with_findings


@dataclass(frozen=True, slots=True)
class Marked:
    """The tasks with marks and findings of their samples, the means, and why there are none ("" needs no reason)."""

    tasks: tuple[TaskView, ...]
    rows: tuple[MarkRow, ...] = ()
    why_not: str = ""


def mark(found: Artifacts, tasks: tuple[TaskView, ...]) -> Marked:
    """Return the marks of a run that was decided: before that, the inputs that an answer may repeat are not told."""
    if not any(task.instruction and task.base_samples for task in tasks):
        return Marked(tasks)
    if any(task.difficulty is None for task in tasks):
        return Marked(tasks, why_not="Gate E's report is of a version that did not store what the tasks gave as input.")
    try:
        scorer, weights = scorer_of_run(read_config(found)), read_weights()
        marked = tuple(_with_marks(task, scorer) for task in tasks)
    except Refusal as refusal:
        return Marked(tasks, why_not=str(refusal))
    except ValueError as error:  # config.yaml is damaged, which is named elsewhere too
        return Marked(tasks, why_not=f"config.yaml does not say what the run is about: {error}.")
    rule = found.rule
    listed = [MarkedTask(t.task_id, t.family, t.cluster, t.base_marks, t.cell_marks) for t in marked]
    means = mean_scores(listed, weights, rule.seed if rule else SEED, rule.resamples if rule else RESAMPLES)
    return Marked(marked, tuple(_row(mean, weights) for mean in means))


def _with_marks(task: TaskView, scorer: Scorer) -> TaskView:
    base, cell = (_marks(samples, task.input, scorer) for samples in (task.base_samples, task.cell_samples))
    read = [tuple(with_findings(sample, scorer) for sample in arm) for arm in (task.base_samples, task.cell_samples)]
    return replace(task, base_marks=base, cell_marks=cell, base_samples=read[0], cell_samples=read[1])


def _marks(samples: Sequence[Sample], task_input: str, scorer: Scorer) -> Marks:
    return tuple(marks_of(sample, task_input, scorer) for sample in samples)


def _row(mean: PartMeans, weights: ScoreWeights) -> MarkRow:
    has_cell = mean.cell.value is not None
    counted = PARTS if mean.part == TOTAL else (mean.part,)
    return MarkRow(
        mark=mean.part,
        weight=sum(getattr(weights, part) for part in counted),
        samples=mean.base.k,
        base=_interval(mean.part, mean.base),
        adapter=_interval(mean.part, mean.cell) if has_cell else None,
        gain=_interval(mean.part, mean.gain) if has_cell else None,
    )


def _interval(label: str, estimate: Estimate) -> Interval:
    return Interval(label, estimate.value, estimate.low, estimate.high, "", estimate.n, clusters=estimate.clusters)
