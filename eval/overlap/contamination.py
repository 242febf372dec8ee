"""Contamination: which tasks a training file already contains: verbatim, nearly, or in long parts.

Three tiers. T1: prompt, answer or both are equal after normalising case, white space and quotes. T2: the answer shares
a 13-gram with a training row, or 8-grams seen in training cover half of the prompt; n-grams in more than 5% of the
distinct texts are dropped first, since a common phrase is no evidence of a leak (repeating a row does not make its
phrases common). T3: the Jaccard index of 5-grams is at least 0.7.
An n-gram counts words alone, as in Brown et al. 2020 (appendix C): code's punctuation would make n-grams of
boilerplate. Not covered: paraphrase, and a copy with other names in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from env.counts import listed_text
from eval.overlap.ngrams import Hashes, Vocabulary, longest_shared_run, near_word_pairs, ngram_hashes, normalise
from eval.records import Row, Task

ANSWER_GRAM, PROMPT_GRAM, NEAR_GRAM = 13, 8, 5
COMMON_SHARE = 0.05
PROMPT_COVER = 0.5
NEAR_JACCARD = 0.7
MAX_LINES = 20
# With fewer words, equal words with other punctuation are the same question, but may be another program.
_NEAR_WORDS = {"prompt": NEAR_GRAM, "answer": ANSWER_GRAM}
_SHOWN_LINES, _SHOWN_SIGNS, _KEPT_SIGNS = 5, 100, 400

Tier = Literal["T1", "T2", "T3"]
Part = Literal["prompt", "answer", "both"]
# A leaked task is counted once, in the first of these tiers that finds it.
_STRENGTH: tuple[Tier, ...] = ("T1", "T3", "T2")


class Status(StrEnum):
    """How much of a task training has seen: T1 or T3 is CONTAMINATED, T2 alone is PARTIAL."""

    CLEAN = "CLEAN"
    PARTIAL = "PARTIAL"
    CONTAMINATED = "CONTAMINATED"


@dataclass(frozen=True, slots=True)
class Overlap:
    """A task found in the training rows.

    Attributes:
        lines: lines of the rows it was found in (1-based positions of rows without lines), the most similar first, at
            most 20; ``rows`` counts all.
        similarity: 0..1: 1 for T1, the covered share of the task's words for T2, the best Jaccard index for T3.
        shared: the longest run of words it shares with the first of these rows, normalised; its first 400 characters.
    """

    task_id: str
    tier: Tier
    part: Part
    lines: tuple[int, ...]
    rows: int
    similarity: float
    shared: str

    def __str__(self) -> str:
        what = "prompt and answer" if self.part == "both" else self.part
        how = {
            "T1": "verbatim",
            "T2": f"in parts ({self.similarity:.0%})",
            "T3": f"nearly (J {self.similarity:.2f})",
        }
        lines = listed_text(self.lines, _SHOWN_LINES, self.rows)
        text = _clipped(self.shared, _SHOWN_SIGNS)
        return f"{self.task_id}: {what} {how[self.tier]} in training line {lines} ({self.tier}): “{text}”"


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

    def ids(self, *statuses: Status) -> tuple[str, ...]:
        """Return the tasks of these statuses."""
        return tuple(task_id for task_id, own in self.status.items() if own in statuses)

    @property
    def leaked(self) -> tuple[str, ...]:
        """Return every task that is not CLEAN; the decision is recomputed without them."""
        return self.ids(Status.CONTAMINATED, Status.PARTIAL)

    def tier_of(self) -> dict[str, Tier]:
        """Return the tier each leaked task is counted in: verbatim before nearly, nearly before in parts."""
        found: dict[str, Tier] = {}
        for overlap in self.overlaps:
            found[overlap.task_id] = min(found.get(overlap.task_id, overlap.tier), overlap.tier, key=_STRENGTH.index)
        return found


@dataclass(frozen=True, slots=True)
class _Texts:
    """One part of every task and of every row, normalised; rows with one text are one entry, empty texts are left out.

    Attributes:
        tasks, rows: the texts; ``task_words`` and ``row_words`` their words by number.
        places: of each text of ``rows`` the positions of its rows.
    """

    part: Literal["prompt", "answer"]
    tasks: list[str]
    rows: list[str]
    task_words: list[Hashes]
    row_words: list[Hashes]
    places: list[list[int]]


@dataclass(frozen=True, slots=True)
class _Finding:
    """An overlap before it is described: ``text`` of the task occurs in the rows at ``places``, best first."""

    task: int
    tier: Tier
    part: Part
    places: list[int]
    similarity: float
    text: str
    met: str


def survey(tasks: Sequence[Task], rows: Sequence[Row]) -> Contamination:
    """Return all three tiers of overlap between ``tasks`` and ``rows``, and the duplicates inside each; pure.

    A task without a reference is compared by its prompt alone, a row without an answer by its own prompt.
    """
    prompts = _texts("prompt", [_task_prompt(task) for task in tasks], [_row_prompt(row) for row in rows])
    answers = _texts("answer", [task.reference for task in tasks], [row.output for row in rows])
    found = [*_exact(prompts, answers)]
    for texts in (prompts, answers):
        found += [*_in_parts(texts), *_nearly(texts)]
    overlaps = tuple(_overlap(tasks, rows, item) for item in found)
    return Contamination(overlaps, _statuses(tasks, overlaps), duplicate_tasks(tasks), duplicate_rows(rows))


@dataclass(frozen=True, slots=True)
class RowLeak:
    """The strongest finding of a task in one row."""

    task_id: str
    tier: Tier
    part: Part
    similarity: float

    def __str__(self) -> str:
        return f"{self.task_id}: {'prompt and answer' if self.part == 'both' else self.part}, {self.similarity:.0%}"


def leaking_rows(tasks: Sequence[Task], rows: Sequence[Row], tiers: Collection[Tier]) -> dict[int, RowLeak]:
    """Return, by position, the rows that a task is found in by one of ``tiers``; pure.

    A pass may miss some of more than 20 distinct texts near one task: with the others removed, the next finds them.
    """
    prompts = _texts("prompt", [_task_prompt(task) for task in tasks], [_row_prompt(row) for row in rows])
    answers = _texts("answer", [task.reference for task in tasks], [row.output for row in rows])
    found = [
        *_exact(prompts, answers),
        *(f for texts in (prompts, answers) for f in (*_nearly(texts), *_in_parts(texts))),
    ]
    leaks: dict[int, RowLeak] = {}
    for item in (one for tier in _STRENGTH for one in found if one.tier == tier and tier in tiers):
        for place in item.places:
            leaks.setdefault(place, RowLeak(tasks[item.task].id, item.tier, item.part, item.similarity))
    return leaks


def survey_prompts(tasks: Sequence[Task], prompts: Sequence[str]) -> Contamination:
    """Return the same for prompts alone, as best-of-N training samples from them; their lines count from 1; pure.

    Training on a model's own answers to a benchmark's prompts is training on that benchmark, even without its answers.
    """
    return survey(tasks, [Row(prompt, "", "", "", line=line) for line, prompt in enumerate(prompts, start=1)])


def duplicate_tasks(tasks: Sequence[Task]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of tasks with the same prompt, in groups."""
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


def _texts(part: Literal["prompt", "answer"], tasks: Sequence[str], rows: Sequence[str]) -> _Texts:
    vocabulary = Vocabulary()
    groups: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(rows):
        if normal := normalise(text):
            groups[normal].append(position)
    ours = [normalise(text) for text in tasks]
    encoded = [[vocabulary.encode(text) for text in texts] for texts in (ours, groups)]
    return _Texts(part, ours, list(groups), encoded[0], encoded[1], list(groups.values()))


def _exact(prompts: _Texts, answers: _Texts) -> Iterable[_Finding]:
    """T1: a task whose prompt and answer are in one row gives "both", else the one that occurs alone."""
    met = [dict(zip(texts.rows, texts.places, strict=True)) for texts in (prompts, answers)]
    for task, (prompt, answer) in enumerate(zip(prompts.tasks, answers.tasks, strict=True)):
        asked, answered = met[0].get(prompt, []), met[1].get(answer, [])
        both = sorted(set(asked) & set(answered))
        alone: tuple[tuple[Part, list[int], str], ...] = (("prompt", asked, prompt), ("answer", answered, answer))
        for part, places, text in (("both", both, prompt),) if both else alone:
            if places:
                yield _Finding(task, "T1", part, places, 1.0, text, text)


def _in_parts(texts: _Texts) -> Iterable[_Finding]:
    """T2: rare 13-grams of the answer, and prompts half covered by rare 8-grams."""
    size, needed = (PROMPT_GRAM, PROMPT_COVER) if texts.part == "prompt" else (ANSWER_GRAM, 0.0)
    for task, (grams, shared) in enumerate(_shared_grams(texts, size)):
        cover = _cover(grams, shared, size)
        if shared and cover >= needed:
            weights: dict[int, int] = defaultdict(int)
            for entries in shared.values():
                for entry in entries:
                    weights[entry] += 1
            best = sorted(weights, key=lambda entry: (-weights[entry], texts.places[entry][0]))
            places = [place for entry in best for place in texts.places[entry]]
            yield _Finding(task, "T2", texts.part, places, cover, texts.tasks[task], texts.rows[best[0]])


def _nearly(texts: _Texts) -> Iterable[_Finding]:
    """T3: tasks whose prompt, or answer, is nearly that of a row."""
    least = _NEAR_WORDS[texts.part]
    none = np.empty(0, dtype=np.uint64)
    ours, theirs = ([w if len(w) >= least else none for w in words] for words in (texts.task_words, texts.row_words))
    pairs = defaultdict(list)
    for pair in near_word_pairs(ours, theirs, NEAR_GRAM, NEAR_JACCARD, MAX_LINES):
        pairs[pair.left].append(pair)
    for task, alike in pairs.items():
        places = [place for pair in alike for place in texts.places[pair.right]]
        yield _Finding(task, "T3", texts.part, places, alike[0].jaccard, texts.tasks[task], texts.rows[alike[0].right])


def _overlap(tasks: Sequence[Task], rows: Sequence[Row], found: _Finding) -> Overlap:
    lines = tuple(_line(rows[place], place) for place in found.places[:MAX_LINES])
    shared = found.text if found.text == found.met else longest_shared_run(found.text, found.met)
    return Overlap(
        task_id=tasks[found.task].id,
        tier=found.tier,
        part=found.part,
        lines=lines,
        rows=len(found.places),
        similarity=round(found.similarity, 4),
        shared=_clipped(shared, _KEPT_SIGNS),
    )


def _clipped(text: str, signs: int) -> str:
    return text if len(text) <= signs else f"{text[:signs]} …"


def _statuses(tasks: Sequence[Task], overlaps: Iterable[Overlap]) -> dict[str, Status]:
    statuses = {task.id: Status.CLEAN for task in tasks}
    for overlap in overlaps:
        if overlap.tier != "T2":
            statuses[overlap.task_id] = Status.CONTAMINATED
        elif statuses[overlap.task_id] is Status.CLEAN:
            statuses[overlap.task_id] = Status.PARTIAL
    return statuses


def _shared_grams(texts: _Texts, size: int) -> list[tuple[Hashes, dict[int, list[int]]]]:
    """Return, per task, its n-grams in order and, of those that are rare in the rows, the entries that have them.

    A text shorter than ``size`` words has no n-gram here: T1 sees it.
    """
    own_grams = [_full_grams(words, size) for words in texts.task_words]
    watched = {gram for grams in own_grams for gram in grams.tolist()}
    entries: dict[int, list[int]] = defaultdict(list)
    for entry, words in enumerate(texts.row_words):
        for gram in watched.intersection(_full_grams(words, size).tolist()):
            entries[gram].append(entry)
    # at least 2: in a small training file one occurrence is not a common phrase
    limit = max(COMMON_SHARE * len(texts.rows), 2)
    rare = {gram: where for gram, where in entries.items() if len(where) <= limit}
    return [(grams, {gram: rare[gram] for gram in grams.tolist() if gram in rare}) for grams in own_grams]


def _full_grams(words: Hashes, size: int) -> Hashes:
    return ngram_hashes(words, size) if len(words) >= size else np.empty(0, dtype=np.uint64)


def _cover(grams: Hashes, shared: dict[int, list[int]], size: int) -> float:
    """Return the share of a text's words that are in one of its ``shared`` n-grams, 0..1."""
    if not len(grams):
        return 0.0
    covered = np.zeros(len(grams) + size - 1, dtype=bool)
    for position, gram in enumerate(grams.tolist()):
        if gram in shared:
            covered[position : position + size] = True
    return float(covered.mean())


def _task_prompt(task: Task) -> str:
    """Return what a task asks. The input of one that is answered by calls only tells its world's tools or rules."""
    return task.instruction if task.answer == "calls" else f"{task.instruction}\n{task.input}"


def _row_prompt(row: Row) -> str:
    return f"{row.instruction}\n{row.input}"


def _line(row: Row, position: int) -> int:
    return row.line or position + 1
