"""System turns that chats bring along: whether each row and item is asked under its own, and what is said about it."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from env.counts import counted
from eval.records import Remark, Row

SystemTurns = Literal["auto", "used", "ignored"]
_SIGNS_SHOWN = 60
_SUBJECT = "system turns"


@dataclass(frozen=True, slots=True)
class Settled:
    """Eval items and training rows with the system turns that are used, and what to know about these."""

    items: tuple[Row, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file's name and its rows."""

    path: Path
    rows: tuple[Row, ...]

    @property
    def texts(self) -> list[str]:
        """Return the system turns of its rows."""
        return [row.system for row in self.rows if row.system]

    def __str__(self) -> str:
        """Return how many rows have a system turn, and how many texts these are."""
        texts = self.texts
        return f"{self.path.name}: system turns in {counted(len(texts), 'row')}, {counted(len(set(texts)), 'text')}"


def settle(items: File, trained: File, choice: SystemTurns) -> Settled:
    """Return both files' rows with or without their system turns.

    ``auto`` uses them where both files have some: used in one alone, training and measuring would ask differently.
    """
    if not items.texts and not trained.texts:
        return Settled(items.rows, trained.rows)
    if choice == "used" or (choice == "auto" and items.texts and trained.texts):
        return _used(items, trained)
    asked, learned = (tuple(replace(row, system="") for row in file.rows) for file in (items, trained))
    return Settled(asked, learned, remarks=(_unused_remark(items, trained),))


def _used(items: File, trained: File) -> Settled:
    told = "; ".join(str(file) for file in (items, trained))
    note = f"each is asked under its own system turn, in place of prompt.system: {told}"
    learned = {row.system for row in trained.rows}
    unknown = [row for row in items.rows if row.system not in learned]
    strange = [f"{items.path.name}:{row.line}: {_start(row.system)}" for row in unknown]
    remark = Remark(
        _SUBJECT,
        f"eval items asked under a text that no training row has: {len(unknown)} of {len(items.rows)}",
        "Training and measuring do not ask alike: each is asked under its own system turn, else under prompt.system.",
        "Give eval items the system turns of the training rows, or dataset.system_turns=ignored.",
        tuple(strange),
    )
    return Settled(items.rows, trained.rows, (note,), (remark,) if unknown else ())


def _unused_remark(items: File, trained: File) -> Remark:
    texts = Counter(items.texts + trained.texts)
    [most, *others] = (text for text, _ in texts.most_common())
    return Remark(
        _SUBJECT,
        f"{'; '.join(str(file) for file in (items, trained) if file.texts)}, are not used",
        "Training and measuring must ask alike: all prompts are asked under prompt.system.",
        "Put what matters of them into the instructions, or give them to rows and eval items alike."
        if others
        else f"To have it said in every prompt: {shlex.quote(f'prompt.system={json.dumps(most, ensure_ascii=False)}')}",
        tuple(f"{count} × {_start(text)}" for text, count in texts.most_common()),
    )


def _start(text: str) -> str:
    return repr(text[:_SIGNS_SHOWN]) if text else "prompt.system"
