"""Which answers are kept, a pure function of answers, marks and rules: execution is a gate, never a weight."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Literal

from eval.records import Outcome
from eval.rejection.answers import UNKNOWN, AnswerKey, OwnAnswer, per_task

Keep = Literal["shortest", "best_score", "all_distinct"]
JUDGE = "judge"
# A program that answers more tasks than this answers none of them in particular.
MOST_TASKS = 2
NO_MARKS: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """How answers that passed are chosen.

    Attributes:
        keep: "shortest" keeps the shortest, "best_score" those with the highest score, "all_distinct" every program.
        keep_per_task: at most so many of a task, all different.
        threshold: answers with a lower score (0 to 1) are not kept.
        weights: what each mark counts in the score, and "judge" the judge's; not all 0.
        max_all_pass_pct: of the tasks kept, at most so many may be ones of which every answer passed.
        constants: names of programs that no task may accept (``program_name``).
    """

    keep: Keep
    keep_per_task: int
    threshold: float
    weights: Mapping[str, float]
    max_all_pass_pct: float
    constants: frozenset[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that becomes a training row, with the score it was ordered by."""

    answer: OwnAnswer
    score: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The answers kept, in the order of tasks; and why others that had passed were not: reason -> how many."""

    kept: tuple[Kept, ...]
    dropped: Mapping[str, int]

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks with an answer that is kept."""
        return frozenset(one.answer.task_id for one in self.kept)


def select(
    answers: Sequence[OwnAnswer],
    marks: Mapping[AnswerKey, Mapping[str, float]],
    second: Mapping[AnswerKey, Outcome | None],
    scores: Mapping[str, float],
    rules: SelectionRules,
) -> Selection:
    """Return which ``answers`` are kept; the same arguments give the same selection, in any order of the answers.

    Args:
        marks: of answers that passed, by task and index.
        second: what another verifier says of them; {} where none is installed.
        scores: a judge's grades by ``content``, 0 to 1. An answer it did not grade is ordered by its marks alone.
    """
    dropped: Counter[str] = Counter()
    passed = [one for one in answers if one.passed]
    served = _tasks_served(passed)
    good: list[Kept] = []
    for one in passed:
        score = _score(marks.get(one.key, NO_MARKS), scores.get(one.content), rules.weights)
        why = _why_not(one, served[one.program], second, score, rules)
        if why:
            dropped[why] += 1
        else:
            good.append(Kept(one, score))
    chosen: list[Kept] = []
    by_task: dict[str, list[Kept]] = defaultdict(list)
    for kept in good:
        by_task[kept.answer.task_id].append(kept)
    for task_id in sorted(by_task):
        best = _best(by_task[task_id], rules)
        dropped["others of the task were preferred"] += len(by_task[task_id]) - len(best)
        chosen += best
    capped = _capped(chosen, _all_pass(answers), rules.max_all_pass_pct)
    dropped["too many tasks of which every answer passed"] += len(chosen) - len(capped)
    return Selection(tuple(capped), {why: count for why, count in sorted(dropped.items()) if count})


def _tasks_served(passed: Sequence[OwnAnswer]) -> Mapping[str, int]:
    tasks: dict[str, set[str]] = defaultdict(set)
    for one in passed:
        tasks[one.program].add(one.task_id)
    return {program: len(ids) for program, ids in tasks.items()}


def _why_not(
    one: OwnAnswer, served: int, second: Mapping[AnswerKey, Outcome | None], score: float, rules: SelectionRules
) -> str:
    if one.program in rules.constants:
        return "a constant answer"
    if served > MOST_TASKS:
        return f"the program passes for more than {MOST_TASKS} tasks"
    if not one.whole:
        return "cut at the token limit"
    other = second.get(one.key)
    if other is not None and other is not Outcome.PASSED:
        return "not judged by the second verifier" if other in UNKNOWN else "the second verifier disagrees"
    return "below the threshold" if score < rules.threshold else ""


def _score(marks: Mapping[str, float], judged: float | None, weights: Mapping[str, float]) -> float:
    """Return the weighted mean of what is there, 0 to 1: what a judge did not grade is missing, never 0."""
    known = {**marks, **({} if judged is None else {JUDGE: judged})}
    total = sum(weights.get(part, 0.0) for part in known)
    return sum(value * weights.get(part, 0.0) for part, value in known.items()) / total if total else 0.0


def _best(good: Sequence[Kept], rules: SelectionRules) -> list[Kept]:
    """Return the preferred of one task, each program once."""

    def preference(kept: Kept) -> tuple[float, tuple[int, int], str, int]:
        by_score = -kept.score if rules.keep == "best_score" else 0.0
        return by_score, kept.answer.length, kept.answer.content, kept.answer.index

    programs: dict[str, Kept] = {}
    for kept in sorted(good, key=preference):
        programs.setdefault(kept.answer.program, kept)
    return list(programs.values())[: rules.keep_per_task]


def _all_pass(answers: Sequence[OwnAnswer]) -> frozenset[str]:
    judged = per_task(one for one in answers if one.outcome not in UNKNOWN)
    return frozenset(task_id for task_id, own in judged.items() if all(one.passed for one in own))


def _capped(chosen: Sequence[Kept], all_pass: frozenset[str], max_pct: float) -> list[Kept]:
    """Return ``chosen`` without tasks of ``all_pass`` beyond their share; which stay follows from the answers."""
    easy = {one.answer.task_id: one.answer.content for one in chosen if one.answer.task_id in all_pass}
    others = len({one.answer.task_id for one in chosen} - easy.keys())
    room = len(easy) if max_pct >= 100 else floor(others * max_pct / (100 - max_pct))
    stay = set(sorted(easy, key=lambda task_id: (easy[task_id], task_id))[:room])
    return [one for one in chosen if one.answer.task_id not in easy or one.answer.task_id in stay]
