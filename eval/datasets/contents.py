"""What a file of rows holds, in counts: layouts, families, roles, lengths, duplicates, licences, problems, samples.

One row is held at a time, besides what counting needs: a digest of each question and answer, and the texts of the
first 2,000 answers, among which near-duplicates are looked for.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from statistics import quantiles
from typing import Any

from env.counts import counted, listed_text
from env.silence import turn_to
from eval.datasets.formats.reader import Broken, Record
from eval.datasets.problem_groups import LINES_SHOWN
from eval.overlap.clusters import joined_clusters
from eval.overlap.ngrams import near_pairs, normalise
from eval.pipeline.forms.calls import listed
from eval.records import Turn

SAMPLES = 10
NEAR_JACCARD, NEAR_ROWS, _GRAM, _KEPT = 0.8, 2_000, 5, 100
# keys that say under which terms a row was published
LICENCE_KEYS = ("license", "licence", "licenses", "spdx", "rights_basis")
_VALUES_SHOWN, _SIGNS = 20, 200


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of texts in ``unit``: the median, the 90th percentile, the longest, and all together."""

    unit: str
    median: float
    p90: float
    longest: int
    total: int


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows beyond the first of each group of equal ones.

    Attributes:
        rows: alike in all turns but for case, white space and the kind of quotes; ``questions``, ``answers``: in those.
        question_groups: groups that those questions form.
        near_answers: answers beyond the first of each group of near-duplicates (J ≥ 0.8 on 5-grams of words), among the
            first ``near_of`` rows.
    """

    rows: int
    questions: int
    question_groups: int
    answers: int
    near_answers: int
    near_of: int


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One row, cut short for a screen."""

    place: str
    layout: str
    family: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file or folder of rows holds.

    Attributes:
        files: each file with the number of its rows.
        roles: turns by role; ``calls`` of tools; ``longest_chat`` in turns of the assistant.
        keys: keys that no layout has, kept as metadata, with the number of rows that have each.
        licences: "key: value" with the number of its rows.
        problems: what is wrong, each with its file and lines, equal ones once with their count.
    """

    files: Mapping[str, int]
    rows: int
    layouts: Mapping[str, int]
    families: Mapping[str, int]
    roles: Mapping[str, int]
    calls: int
    longest_chat: int
    keys: Mapping[str, int]
    licences: Mapping[str, int]
    questions: Lengths | None
    answers: Lengths | None
    duplicates: Duplicates
    broken: int
    problems: tuple[str, ...]
    samples: tuple[SampleRow, ...]


@dataclass(slots=True)
class _Counts:
    """What is counted while rows pass by."""

    files: Counter[str] = field(default_factory=Counter)
    layouts: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    rows: Counter[bytes] = field(default_factory=Counter)
    questions: Counter[bytes] = field(default_factory=Counter)
    answers: Counter[bytes] = field(default_factory=Counter)
    lengths: dict[str, list[int]] = field(default_factory=lambda: {"question": [], "answer": []})
    near: list[str] = field(default_factory=list)
    broken: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    samples: list[Record] = field(default_factory=list)
    calls: int = 0
    longest_chat: int = 0


def contents_of(
    records: Iterable[Record | Broken],
    family_of: Callable[[Record], str] = lambda record: record.family,
    length_of: Callable[[str], int] = len,
    unit: str = "characters",
) -> Contents:
    """Return what ``records`` hold; the same records give the same counts and samples.

    ``length_of`` gives a text's length in ``unit``; ``family_of`` the family of a row, "" where it has none.
    """
    counts, draw = _Counts(), random.Random("ten samples")
    seen = 0
    file = None
    for record in records:
        if record.file != file:
            file = record.file
            turn_to(f"reading {file.name}")
        if isinstance(record, Broken):
            counts.broken[record.file.name, record.sentence].append(record.line)
            continue
        seen += 1
        _count(counts, record, family_of(record), length_of)
        # each row has the same chance, however many there will be (Vitter 1985, algorithm R)
        if len(counts.samples) < SAMPLES:
            counts.samples.append(record)
        elif (place := draw.randrange(seen)) < SAMPLES:
            counts.samples[place] = record
    return _told(counts, seen, family_of, unit)


def _count(counts: _Counts, record: Record, family: str, length_of: Callable[[str], int]) -> None:
    counts.files[record.file.name] += 1
    counts.layouts[record.layout] += 1
    counts.families[family or "(none)"] += 1
    counts.roles.update(turn.role for turn in record.turns)
    counts.calls += sum(len(turn.calls) for turn in record.turns)
    counts.longest_chat = max(counts.longest_chat, sum(turn.role == "assistant" for turn in record.turns))
    counts.keys.update(record.meta.keys())
    counts.licences.update(_licences(record.meta))
    question, answer = f"{record.question}\n{record.input}".strip(), _answer(record)
    for name, text in (("question", question), ("answer", answer)):
        if text:
            counts.lengths[name].append(length_of(text))
    counts.rows[_digest("\0".join((record.input, *map(_spoken, record.turns))))] += 1
    if question:
        counts.questions[_digest(question)] += 1
    if answer:
        counts.answers[_digest(answer)] += 1
    if len(counts.near) < NEAR_ROWS:
        counts.near.append(answer)


def _answer(record: Record) -> str:
    """Return all that the assistant says and calls."""
    return "\n".join(_spoken(turn) for turn in record.turns if turn.role == "assistant").strip()


def _spoken(turn: Turn) -> str:
    return f"{turn.text}\n{listed(turn.calls)}" if turn.calls else turn.text


def _digest(text: str) -> bytes:
    return blake2b(normalise(text).encode("utf-8"), digest_size=16).digest()


def _licences(meta: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {str(meta[key])[:_SIGNS]}" for key in LICENCE_KEYS if meta.get(key)]


def _told(counts: _Counts, rows: int, family_of: Callable[[Record], str], unit: str) -> Contents:
    problems = sorted(counts.broken.items(), key=lambda item: (item[0][0], item[1][0]))
    return Contents(
        files=dict(sorted(counts.files.items())),
        rows=rows,
        layouts=dict(counts.layouts.most_common()),
        families=dict(counts.families.most_common()),
        roles=dict(counts.roles.most_common()),
        calls=counts.calls,
        longest_chat=counts.longest_chat,
        keys=dict(counts.keys.most_common()),
        licences=dict(counts.licences.most_common(_VALUES_SHOWN)),
        questions=_lengths(counts.lengths["question"], unit),
        answers=_lengths(counts.lengths["answer"], unit),
        duplicates=_duplicates(counts),
        broken=sum(len(lines) for lines in counts.broken.values()),
        problems=tuple(_problem(name, sentence, lines) for (name, sentence), lines in problems),
        samples=tuple(_sample(record, family_of(record)) for record in sorted(counts.samples, key=_place)),
    )


def _problem(name: str, sentence: str, lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"{name}:{lines[0]}: {sentence}"
    return f"{name}: {counted(len(lines), 'line')} ({listed_text(lines, LINES_SHOWN)}): {sentence}"


def _lengths(values: Sequence[int], unit: str) -> Lengths | None:
    if not values:
        return None
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else [float(values[0])] * 19
    return Lengths(unit, cuts[9], cuts[17], max(values), sum(values))


def _duplicates(counts: _Counts) -> Duplicates:
    return Duplicates(
        rows=_beyond_first(counts.rows),
        questions=_beyond_first(counts.questions),
        question_groups=sum(count > 1 for count in counts.questions.values()),
        answers=_beyond_first(counts.answers),
        near_answers=_near(counts.near),
        near_of=len(counts.near),
    )


def _beyond_first(counts: Counter[bytes]) -> int:
    return sum(counts.values()) - len(counts)


def _near(texts: Sequence[str]) -> int:
    """Return how many texts stand in a group of near-duplicates beyond its first."""
    turn_to("looking for near-duplicates")
    said = [text for text in texts if text.strip()]
    names = [f"{place:09d}" for place in range(len(said))]
    pairs = [(pair.left, pair.right) for pair in near_pairs(said, said, _GRAM, NEAR_JACCARD, _KEPT)]
    return len(said) - len(set(joined_clusters(names, pairs)))


def _place(record: Record) -> tuple[Path, int]:
    return record.file, record.line


def _sample(record: Record, family: str) -> SampleRow:
    question, answer = (" ".join(text.split())[:_SIGNS] for text in (record.question, record.answer))
    return SampleRow(f"{record.file.name}:{record.line}", record.layout, family, question, answer)
