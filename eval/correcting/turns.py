"""Which answers are asked again, and how each of them is one unit of the one measuring loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from eval.domains import Domain, scorer_of
from eval.pipeline.scoring import Answered, ScoreWeights, scores_of, weighted
from eval.pipeline.stored_samples import SampleKey
from eval.records import Outcome, Sample, Task


@dataclass(frozen=True, slots=True)
class Quality:
    """Below which total an answer that passed is rewritten too: the weighted mean of its domain's marks, 0 to 1.

    Raises BadSettings where ``weights`` lack a mark, or are no weights.
    """

    below: float
    domain: Domain
    weights: Mapping[str, float]

    def is_poor(self, task: Task, sample: Sample) -> bool:
        """Whether an answer's total lies below the threshold."""
        marks = scores_of(Answered(task.input, sample.candidate, sample.verdict), scorer_of(self.domain))
        return marks is not None and weighted(marks, ScoreWeights(**self.weights)) < self.below


def asked_again(latest: Iterable[Sample], tasks: Mapping[str, Task], quality: Quality | None) -> list[Sample]:
    """Return the answers that get another turn: those that failed and, under ``quality``, poor ones that passed.

    One that could not be judged gets none: it is missing, not wrong.
    """
    return [
        sample
        for sample in latest
        if sample.verdict.outcome is not Outcome.HARNESS_ERROR
        and (
            sample.verdict.outcome is not Outcome.PASSED
            or (quality is not None and quality.is_poor(tasks[sample.task_id], sample))
        )
    ]


def turn_id(task_id: str, index: int, turn: int) -> str:
    """Return the name under which a turn's answer is stored: "dev-003-repair-node#2@1" is sample 2 after turn 1.

    Its random stream follows from this name, so every turn of every sample draws from its own.
    """
    return f"{task_id}#{index}@{turn}"


def turn_task(task: Task, sample: Sample, turn: int) -> Task:
    """Return ``task`` as the unit that asks again for ``sample``: the same checks, a name of its own."""
    return replace(task, id=turn_id(task.id, sample.index, turn))


def after_turn(latest: Sequence[Sample], drawn: Sequence[Sample], turn: int) -> list[Sample]:
    """Return each answer as it is after a turn: what was ``drawn`` for it, under its task's name, else as before."""
    by_id = {sample.task_id: sample for sample in drawn}
    return [_replaced(sample, by_id.get(turn_id(sample.task_id, sample.index, turn))) for sample in latest]


def by_key(samples: Iterable[Sample]) -> dict[SampleKey, Sample]:
    """Return samples of one arm by task and index."""
    return {(sample.task_id, sample.index): sample for sample in samples}


def _replaced(sample: Sample, drawn: Sample | None) -> Sample:
    return sample if drawn is None else replace(drawn, task_id=sample.task_id, index=sample.index)
