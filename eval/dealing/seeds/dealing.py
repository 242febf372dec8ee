"""Rows dealt from seeds in rounds: one of each cell in turn, whose seeds take turns, until none is left."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from eval.dealing.checked_rows import CheckedRow
from eval.dealing.seeds.filling import fill
from eval.dealing.seeds.programs import Seed
from eval.records import AnswerForm, Row, TaskCheck

TRIES = 60


@dataclass(frozen=True, slots=True)
class Form:
    """How rows of a family ask and are answered: the form of the answer, and sentences around the request ``{it}``."""

    family: str
    answer: AnswerForm
    frames: tuple[str, ...]


Cell = tuple[str, str]
Teller = Callable[[random.Random], CheckedRow]


def cells(
    seeds: Sequence[Seed], families: Sequence[str], tellers: Callable[[Seed, str], Sequence[Teller]]
) -> dict[Cell, list[Teller]]:
    """Return the sources of rows of each kind and family: what ``tellers`` gives for a seed, first ones first."""
    found: dict[Cell, list[tuple[int, Teller]]] = {}
    for seed in seeds:
        for family in families:
            for turn, teller in enumerate(tellers(seed, family)):
                found.setdefault((seed.kind, family), []).append((turn, teller))
    return {cell: [teller for _, teller in sorted(told, key=lambda one: one[0])] for cell, told in found.items()}


def deal(sources: Mapping[Cell, Sequence[Teller]], stream: random.Random) -> Iterator[CheckedRow]:
    """Yield distinct rows, in every round one of each cell in a drawn order."""
    turns = {cell: list(tellers) for cell, tellers in sources.items()}
    seen: set[tuple[str, str]] = set()
    while turns:
        for cell in stream.sample(sorted(turns), len(turns)):
            row = _next_row(turns[cell], seen, stream)
            if row is None:
                del turns[cell]
            else:
                yield row


def _next_row(tellers: list[Teller], seen: set[tuple[str, str]], stream: random.Random) -> CheckedRow | None:
    """Return a new row from the first source that has one, and move that source to the end; None when none has."""
    while tellers:
        teller = tellers.pop(0)
        for _ in range(TRIES):
            dealt = teller(stream)
            key = (_words(dealt.row.input), _words(dealt.row.output))
            if key not in seen:
                seen.add(key)
                tellers.append(teller)
                return dealt
    return None


def _words(text: str) -> str:
    """Return ``text`` as rows are compared: two indentations of one program are the same program."""
    return " ".join(text.split())


def checked_row(
    seed: Seed,
    form: Form,
    asks: Sequence[str],
    texts: tuple[str, str],
    values: Mapping[str, str],
    stream: random.Random,
) -> CheckedRow:
    """Return a row of ``seed``: ``asks`` are wordings of its request, ``texts`` its input and output."""
    frame = stream.choice(form.frames)
    instruction = frame.format(it=fill(" ".join(stream.choice(asks).split()), values))
    row = Row(instruction, *texts, form.family, cluster=seed.cluster, kind=seed.kind)
    return CheckedRow(row, form.answer, filled_checks(seed.checks, values))


def filled_checks(checks: Sequence[TaskCheck], values: Mapping[str, str]) -> tuple[TaskCheck, ...]:
    """Return ``checks`` with their slots filled."""
    return tuple(replace(check, lua=fill(check.lua, values)) for check in checks)
