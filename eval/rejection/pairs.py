"""Pairs of one task's answers, one that passed and one that failed: a pure function of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from eval.rejection.answers import AnswerKey, OwnAnswer, per_task
from eval.rejection.selection import MOST_TASKS


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """Two answers to one task: ``chosen`` passed every check, ``rejected`` failed one."""

    chosen: AnswerKey
    rejected: AnswerKey


@dataclass(frozen=True, slots=True)
class PairSelection:
    """The pairs, in the order of tasks; and why tasks gave none: reason -> how many."""

    pairs: tuple[AnswerPair, ...]
    without: Mapping[str, int]

    @property
    def tasks(self) -> int:
        """Return how many tasks gave a pair."""
        return len({pair.chosen[0] for pair in self.pairs})


def select_pairs(answers: Sequence[OwnAnswer], pairs_per_task: int, constants: Collection[str]) -> PairSelection:
    """Return at most ``pairs_per_task`` pairs of each task; the same answers, in any order, give the same pairs.

    Passed answers are taken shortest first, failed ones as they were drawn, each program once; a pair's place in both
    orders is the same, and the shorter order begins again. Left out are answers that were cut off, programs that answer
    more than two tasks or equal one of ``constants`` (names of programs), and failed answers without a program: they
    would teach a form, not a program.
    """
    common = _common(answers, constants)
    pairs: list[AnswerPair] = []
    without: Counter[str] = Counter()
    for own in per_task(sorted(answers, key=lambda one: one.key)).values():
        usable = [one for one in own if one.whole and one.program]
        passed = _distinct(sorted((one for one in usable if one.passed), key=lambda one: (one.length, one.key)))
        passed = [one for one in passed if one.program not in common]
        failed = _distinct([one for one in usable if one.failed])
        if not passed or not failed:
            without["no answer that passed" if not passed else "no answer that failed"] += 1
            continue
        count = min(pairs_per_task, max(len(passed), len(failed)))
        pairs += [
            AnswerPair(passed[place % len(passed)].key, failed[place % len(failed)].key) for place in range(count)
        ]
    return PairSelection(tuple(pairs), dict(sorted(without.items())))


def _common(answers: Sequence[OwnAnswer], constants: Collection[str]) -> set[str]:
    """Return programs that answer no task in particular."""
    served = Counter(program for _, program in {(one.task_id, one.program) for one in answers if one.passed})
    return {*constants, *(program for program, tasks in served.items() if tasks > MOST_TASKS)}


def _distinct(answers: Sequence[OwnAnswer]) -> list[OwnAnswer]:
    return list({one.program: one for one in reversed(answers)}.values())[::-1]
