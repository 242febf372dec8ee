"""What training can learn from a correction: task, failed answer, what was said of it, the answer that passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.correcting.feedback import shown_answer
from eval.correcting.turns import by_key
from eval.pipeline.language import Language
from eval.records import Outcome, Row, Sample, Task


@dataclass(frozen=True, slots=True)
class Corrected:
    """One answer that failed, the feedback it got, and the answer to that feedback, which passed."""

    task: Task
    failed: str
    feedback: str
    passing: str


def corrected(
    before: Sequence[Sample],
    after: Sequence[Sample],
    tasks: dict[str, Task],
    said: dict[tuple[str, int], str],
    language: Language,
) -> list[Corrected]:
    """Return what a turn fixed: each answer that failed before and passes after, with what was ``said`` between."""
    then = by_key(before)
    return [
        Corrected(
            tasks[sample.task_id],
            shown_answer(then[sample.task_id, sample.index], language),
            said[sample.task_id, sample.index],
            shown_answer(sample, language),
        )
        for sample in after
        if sample.verdict.outcome is Outcome.PASSED
        and then[sample.task_id, sample.index].verdict.outcome is not Outcome.PASSED
        and (sample.task_id, sample.index) in said
    ]


def repair_rows(found: Iterable[Corrected]) -> list[Row]:
    """Return corrections as rows of the public format, each once: failed answer and feedback stand in the input.

    A row keeps its task's family, hence the form of its answer.
    """
    rows = {_row(one): None for one in found}
    return list(rows)


def _row(one: Corrected) -> Row:
    given = f"{one.task.input}\n\n" if one.task.input else ""
    return Row(
        instruction=one.task.instruction,
        input=f"{given}An answer that was wrong:\n{one.failed}\n\nWhat was said of it:\n{one.feedback}",
        output=one.passing,
        family=one.task.family,
        cluster=one.task.cluster,
        kind=one.task.kind,
    )
