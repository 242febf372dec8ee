"""A refusal: we know why the command cannot continue, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Refusal(Exception):
    """A prerequisite failed: one sentence, the fix, no traceback.

    Args:
        sentence: what is wrong, with the key, file or line it is about.
        fix: what the user can do, as an instruction or a command; empty when the sentence says it.
    """

    def __init__(self, sentence: str, fix: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.sentence} {self.fix}".strip()


class BadSettings(Refusal, ValueError):
    """Settings with bad values, all of them named; also a ValueError, so that a validator checks other sections too."""


# More choices than anybody would read; of these so many are named.
LISTED, NEAREST = 60, 5


def choices_hint(wrong: str, choices: Iterable[str]) -> str:
    """Return 'did you mean "x"?' for the nearest of ``choices``, else all of them; of many the nearest five."""
    known = sorted(choices)
    near = get_close_matches(wrong, known, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    if len(known) > LISTED:
        nearest = get_close_matches(wrong, known, n=NEAREST, cutoff=0.0)
        return f"The nearest of {len(known):,} choices: {', '.join(nearest)}."
    return "Choices: " + ", ".join(known) + "." if known else "There are no choices."
