"""What a judge compares: programs for one task, named by their content alone, in pairs shown in both orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from env.files import digest


@dataclass(frozen=True)
class Answer:
    """A program for a task. Nothing says who wrote it or what became of it: the judge is blind, and so is its cache."""

    instruction: str
    input: str
    code: str

    @cached_property
    def content(self) -> str:
        """What it is called everywhere: the hex SHA-256 of task and program."""
        return content_of(self.instruction, self.input, self.code)

    @property
    def task(self) -> tuple[str, str]:
        """The task that it answers: instruction and input."""
        return self.instruction, self.input


def content_of(instruction: str, task_input: str, code: str) -> str:
    """Return the name by which grades of a program for a task are found: a hex SHA-256."""
    return digest([instruction, task_input, code])


@dataclass(frozen=True, slots=True)
class Pair:
    """Two different programs for one task, ordered by content."""

    one: Answer
    other: Answer

    @property
    def orders(self) -> tuple[tuple[Answer, Answer], tuple[Answer, Answer]]:
        """Both orders in which the judge is shown them."""
        return (self.one, self.other), (self.other, self.one)


def pair(one: Answer, other: Answer) -> Pair:
    """Return two answers as a pair. Raises ValueError where they are of two tasks, or the same program."""
    if one.task != other.task or one.content == other.content:
        raise ValueError("a pair is two different programs for one task")
    return Pair(*sorted((one, other), key=lambda answer: answer.content))


def neighbours(answers: Iterable[Answer]) -> list[Pair]:
    """Return pairs in which every answer meets another of its task: neighbours in the order of their content.

    Equal programs count once; an odd last one meets the first; a task with one program has no pair.
    """
    by_task: dict[tuple[str, str], dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        by_task[answer.task].setdefault(answer.content, answer)
    found = []
    for distinct in by_task.values():
        ordered = [distinct[content] for content in sorted(distinct)]
        if len(ordered) > 1:
            odd = [ordered[-1], ordered[0]] if len(ordered) % 2 else []
            line = [*ordered[: len(ordered) // 2 * 2], *odd]
            found += [pair(one, other) for one, other in zip(line[::2], line[1::2], strict=True)]
    return sorted(found, key=lambda each: (each.one.content, each.other.content))


Grades = tuple[float, float]
"""Of a pair's one and other, each 0 to 1."""


def averaged(shown: Sequence[Grades | None]) -> Grades | None:
    """Return a pair's grades over both orders, given those of the first and second program shown in each.

    None where an order has no usable reply: half a pair would keep the judge's liking for a place.
    """
    straight, turned = shown
    if straight is None or turned is None:
        return None
    return (straight[0] + turned[1]) / 2, (straight[1] + turned[0]) / 2


def by_content(graded: Mapping[Pair, Grades | None]) -> dict[str, float]:
    """Return the mean grade of every answer over its pairs, by content; one without a graded pair is missing."""
    grades: dict[str, list[float]] = defaultdict(list)
    for each, found in graded.items():
        if found is not None:
            grades[each.one.content].append(found[0])
            grades[each.other.content].append(found[1])
    return {content: fmean(listed) for content, listed in grades.items()}
