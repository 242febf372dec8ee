"""The records of task making: the phrasings a kind has, and one drawn problem with its answers and checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from eval.dealing.pools import Draw
from eval.records import NearMiss, TaskCheck


@dataclass(frozen=True, slots=True)
class Phrases:
    """The wordings of one kind, by split; no wording is in two splits.

    A wording holds slots such as ``{name}`` and choices such as ``[called|named]``; choices do not nest.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]

    def of(self, split: str) -> tuple[str, ...]:
        """Return the wordings of "train", "dev" or "test"."""
        wordings: dict[str, tuple[str, ...]] = {"train": self.train, "dev": self.dev, "test": self.test}
        return wordings[split]


@dataclass(frozen=True, slots=True)
class Problem:
    """One drawn problem.

    Attributes:
        slots: the values a wording may name.
        answer: right, in the API of today.
        outdated: what a model raised on old or careless code writes; each fails the checks.
        slips: other plausible wrong answers; each fails the checks.
        input: broken code or a documentation excerpt; empty for a scaffold.
    """

    slots: dict[str, str]
    answer: str
    outdated: tuple[NearMiss, ...]
    checks: tuple[TaskCheck, ...]
    slips: tuple[NearMiss, ...] = ()
    input: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem inside a family: its wordings, how one is drawn, and the form of its answer."""

    family: str
    name: str
    difficulty: int
    phrases: Phrases
    draw: Callable[[Draw], Problem]
    form: Literal["code", "diff"] = "code"
