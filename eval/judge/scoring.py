"""Grades of programs that passed, for whoever has to order them: execution decides who is here at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eval.judge.answers import Answer, by_content, neighbours
from eval.judge.judge import Judge


@dataclass(frozen=True, slots=True)
class Scores:
    """What a judge makes of answers.

    Attributes:
        by_content: ``Answer.content`` to a grade, 0 to 1. What was not graded is missing, never 0.
        alone: contents of answers that are the only program of their task: there was nothing to order.
        missing: contents of answers for which the judge gave no usable reply.
    """

    by_content: Mapping[str, float]
    alone: frozenset[str]
    missing: frozenset[str]


def scores_of(judge: Judge, answers: Iterable[Answer]) -> Scores:
    """Return the grades of answers, each beside another answer to its task, both orders averaged.

    The judge must have been opened for use (``eval.judge.opening``), which requires its calibration or a waiver.

    Raises:
        Refusal: the estimate exceeds the budget (nothing was asked), or the server cannot be asked.
        BudgetReached: the budget was used up on the way; what was asked is stored.
    """
    listed = list(answers)
    pairs = neighbours(listed)
    found = by_content(judge.grades(pairs))
    meets = {answer.content for each in pairs for answer in (each.one, each.other)}
    everything = {answer.content for answer in listed}
    return Scores(found, frozenset(everything - meets), frozenset(meets - found.keys()))
