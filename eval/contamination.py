"""Contamination: which tasks a training file already holds, in whole, in long parts, or nearly.

Three tiers. T1: prompt, answer or both are equal after normalising case, white space and quotes. T2: the answer shares
a 13-gram with a training row, or 8-grams seen in training cover half of the prompt; n-grams in more than 5% of the rows
are dropped first, since a phrase everyone uses gives nothing away. T3: the Jaccard index of 5-grams is at least 0.7.
An n-gram counts words alone, as in Brown et al. 2020 (appendix C): code's punctuation would make n-grams of
boilerplate. Not covered: paraphrase, and a copy with other names in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from eval.ngrams import Hashes, Vocabulary, near_pairs, ngram_hashes, normalise
from eval.records import Row, Task

ANSWER_GRAM, PROMPT_GRAM, NEAR_GRAM = 13, 8, 5
COMMON_SHARE = 0.05
PROMPT_COVER = 0.5
NEAR_JACCARD = 0.7
MAX_LINES = 20

Tier = Literal["T1", "T2", "T3"]
Part = Literal["prompt", "answer", "both"]


class Status(StrEnum):
    """How much of a task training has seen: T1 is CONTAMINATED, T2 or T3 alone is PARTIAL."""

    CLEAN = "CLEAN"
    PARTIAL = "PARTIAL"
    CONTAMINATED = "CONTAMINATED"


@dataclass(frozen=True, slots=True)
class Overlap:
    """A task met in the training rows.

    Attributes:
        lines: lines of the rows it was met in (0-based positions for generated rows without lines), at most 20.
        score: 1 for T1, shared 13-grams or the covered share of the prompt for T2, the best Jaccard index for T3.
    """

    task_id: str
    tier: Tier
    part: Part
    lines: tuple[int, ...]
    score: float

    def __str__(self) -> str:
        what = "prompt and answer" if self.part == "both" else self.part
        how = {"T1": "word for word", "T2": f"in parts ({self.score:.2g})", "T3": f"nearly (J {self.score:.2f})"}
        lines = ", ".join(map(str, self.lines[:5])) + (", ..." if len(self.lines) > 5 else "")
        return f"{self.task_id}: {what} {how[self.tier]} in training line {lines}"


@dataclass(frozen=True, slots=True)
class Contamination:
    """Everything found between tasks and rows, and the repetitions inside each.

    Attributes:
        status: task id → how much training has seen of it, in the order of the tasks.
        task_duplicates: ids of tasks with one normalised prompt, groups of two and more.
        row_duplicates: lines of rows with one normalised prompt and answer, groups of two and more.
    """

    overlaps: tuple[Overlap, ...]
    status: dict[str, Status]
    task_duplicates: tuple[tuple[str, ...], ...]
    row_duplicates: tuple[tuple[int, ...], ...]

    def ids(self, status: Status) -> tuple[str, ...]:
        """Return the tasks of that status."""
        return tuple(task_id for task_id, own in self.status.items() if own is status)


def survey(tasks: Sequence[Task], rows: Sequence[Row]) -> Contamination:
    """Return all three tiers of overlap between ``tasks`` and ``rows``, and the duplicates inside each; pure."""
    overlaps = (*exact_overlaps(tasks, rows), *ngram_overlaps(tasks, rows), *near_overlaps(tasks, rows))
    return Contamination(overlaps, _statuses(tasks, overlaps), duplicate_tasks(tasks), duplicate_rows(rows))


def exact_overlaps(tasks: Sequence[Task], rows: Sequence[Row]) -> tuple[Overlap, ...]:
    """Return T1: a task whose prompt and answer stand in one row gives "both", else what stands anywhere alone."""
    prompts, answers, both = defaultdict(list), defaultdict(list), defaultdict(list)
    for position, row in enumerate(rows):
        prompt, answer = normalise(_row_prompt(row)), normalise(row.output)
        line = _line(row, position)
        prompts[prompt].append(line)
        answers[answer].append(line)
        both[prompt, answer].append(line)
    found = []
    for task in tasks:
        prompt, answer = normalise(_task_prompt(task)), normalise(task.reference)
        parts: list[tuple[Part, list[int]]] = [("both", both.get((prompt, answer), []))]
        if not parts[0][1]:
            parts = [("prompt", prompts.get(prompt, [])), ("answer", answers.get(answer, []))]
        found += [Overlap(task.id, "T1", part, tuple(lines[:MAX_LINES]), 1.0) for part, lines in parts if lines]
    return tuple(found)


def ngram_overlaps(tasks: Sequence[Task], rows: Sequence[Row]) -> tuple[Overlap, ...]:
    """Return T2: rare 13-grams of the answer, and prompts half covered by rare 8-grams, with their lines."""
    found = []
    answers = _shared_grams([t.reference for t in tasks], [r.output for r in rows], ANSWER_GRAM)
    for task, (_, shared) in zip(tasks, answers, strict=True):
        if shared:
            found.append(Overlap(task.id, "T2", "answer", _lines(rows, shared.values()), float(len(shared))))
    prompts = _shared_grams(list(map(_task_prompt, tasks)), list(map(_row_prompt, rows)), PROMPT_GRAM)
    for task, (grams, shared) in zip(tasks, prompts, strict=True):
        cover = _cover(grams, shared)
        if cover >= PROMPT_COVER:
            found.append(Overlap(task.id, "T2", "prompt", _lines(rows, shared.values()), cover))
    return tuple(found)


def near_overlaps(tasks: Sequence[Task], rows: Sequence[Row]) -> tuple[Overlap, ...]:
    """Return T3: tasks whose prompt, or answer, is nearly that of a row."""
    found = []
    texts: tuple[tuple[Part, list[str], list[str]], ...] = (
        ("prompt", list(map(_task_prompt, tasks)), list(map(_row_prompt, rows))),
        ("answer", [task.reference for task in tasks], [row.output for row in rows]),
    )
    for part, ours, theirs in texts:
        pairs = defaultdict(list)
        for pair in near_pairs(ours, theirs, NEAR_GRAM, NEAR_JACCARD, MAX_LINES):
            pairs[pair.left].append(pair)
        for left, alike in pairs.items():
            lines = tuple(_line(rows[pair.right], pair.right) for pair in alike)
            found.append(Overlap(tasks[left].id, "T3", part, lines, alike[0].jaccard))
    return tuple(found)


def duplicate_tasks(tasks: Sequence[Task]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of tasks that ask the same, in groups."""
    groups = defaultdict(list)
    for task in tasks:
        groups[normalise(_task_prompt(task))].append(task.id)
    return tuple(tuple(ids) for ids in groups.values() if len(ids) > 1)


def duplicate_rows(rows: Sequence[Row]) -> tuple[tuple[int, ...], ...]:
    """Return the lines of rows with the same prompt and answer, in groups."""
    groups = defaultdict(list)
    for position, row in enumerate(rows):
        groups[normalise(_row_prompt(row)), normalise(row.output)].append(_line(row, position))
    return tuple(tuple(lines) for lines in groups.values() if len(lines) > 1)


def _statuses(tasks: Sequence[Task], overlaps: Iterable[Overlap]) -> dict[str, Status]:
    statuses = {task.id: Status.CLEAN for task in tasks}
    for overlap in overlaps:
        if overlap.tier == "T1":
            statuses[overlap.task_id] = Status.CONTAMINATED
        elif statuses[overlap.task_id] is Status.CLEAN:
            statuses[overlap.task_id] = Status.PARTIAL
    return statuses


def _shared_grams(ours: Sequence[str], theirs: Sequence[str], size: int) -> list[tuple[Hashes, dict[int, list[int]]]]:
    """Return, per text of ``ours``, its n-grams in order and, of those that are rare in ``theirs``, where they stand.

    A text shorter than ``size`` tokens has no n-gram here: T1 sees it.
    """
    vocabulary = Vocabulary()
    own_grams = [_full_grams(vocabulary, text, size) for text in ours]
    watched = {gram for grams in own_grams for gram in grams.tolist()}
    counts: dict[int, int] = defaultdict(int)
    places: dict[int, list[int]] = defaultdict(list)
    for position, text in enumerate(theirs):
        for gram in watched.intersection(_full_grams(vocabulary, text, size).tolist()):
            counts[gram] += 1
            if len(places[gram]) < MAX_LINES:
                places[gram].append(position)
    # at least 2: in a small training file one occurrence is not a common phrase
    limit = max(COMMON_SHARE * len(theirs), 2)
    rare = {gram: places[gram] for gram, count in counts.items() if count <= limit}
    return [(grams, {gram: rare[gram] for gram in grams.tolist() if gram in rare}) for grams in own_grams]


def _full_grams(vocabulary: Vocabulary, text: str, size: int) -> Hashes:
    tokens = vocabulary.encode(normalise(text))
    return ngram_hashes(tokens, size) if len(tokens) >= size else np.empty(0, dtype=np.uint64)


def _cover(grams: Hashes, shared: dict[int, list[int]]) -> float:
    """Return the share of a text's tokens that stand in one of its ``shared`` 8-grams, 0..1."""
    if not len(grams):
        return 0.0
    covered = np.zeros(len(grams) + PROMPT_GRAM - 1, dtype=bool)
    for position, gram in enumerate(grams.tolist()):
        if gram in shared:
            covered[position : position + PROMPT_GRAM] = True
    return float(covered.mean())


def _lines(rows: Sequence[Row], places: Iterable[list[int]]) -> tuple[int, ...]:
    """Return the lines that hold most of the shared n-grams, at most 20, most first."""
    counts: dict[int, int] = defaultdict(int)
    for positions in places:
        for position in positions:
            counts[position] += 1
    best = sorted(counts, key=lambda position: (-counts[position], position))[:MAX_LINES]
    return tuple(_line(rows[position], position) for position in best)


def _task_prompt(task: Task) -> str:
    return f"{task.instruction}\n{task.input}"


def _row_prompt(row: Row) -> str:
    return f"{row.instruction}\n{row.input}"


def _line(row: Row, position: int) -> int:
    return row.line or position
