"""Names and numbers for problems: no two splits ever draw the same one."""

from __future__ import annotations

import hashlib
import random
from functools import cache

from eval.dealing.words import DEV_WORDS, TEST_WORDS, TRAIN_WORDS

SPLITS = ("train", "dev", "test")
# Any text would do. With this one 10..14, Luanti's light levels of two digits, fall to all three splits.
NUMBER_SALT = "luanti_mini/number/0"
SYLLABLE_SHARE = 0.25


@cache
def owner(number: int) -> str:
    """Return the only split that may draw ``number``: below 10 "train" (structure needs them), else by hash."""
    if number < 10:
        return "train"
    bucket = hashlib.sha256(f"{NUMBER_SALT}/{number}".encode()).digest()[0] % 10
    return "train" if bucket < 5 else "dev" if bucket < 7 else "test"


@cache
def numbers(split: str, low: int, high: int) -> tuple[int, ...]:
    """Return the numbers of ``split`` in low..high, both included."""
    return tuple(number for number in range(low, high + 1) if owner(number) == split)


def spliced_word(stream: random.Random) -> str:
    """Return an invented word: pieces of training words glued together, or loose syllables.

    A held-out word never comes out, and nothing that contains one.
    """
    while True:
        word = _syllables(stream) if stream.random() < SYLLABLE_SHARE else _splice(stream)
        if 4 <= len(word) <= 9 and not any(held in word for held in (*DEV_WORDS, *TEST_WORDS)):
            return word


def _splice(stream: random.Random) -> str:
    return "".join(_piece(stream.choice(TRAIN_WORDS), stream) for _ in range(stream.randint(2, 3)))


def _piece(word: str, stream: random.Random) -> str:
    length = stream.randint(2, min(4, len(word)))
    start = stream.randint(0, len(word) - length)
    return word[start : start + length]


def _syllables(stream: random.Random) -> str:
    return "".join(
        stream.choice("bcdfghjklmnprstvwyz") + stream.choice("aeiou") + stream.choice(("", "", "n", "r", "l", "s", "t"))
        for _ in range(stream.randint(2, 3))
    )


class Draw:
    """The random values of one problem: its words are distinct, and all of them belong to one split."""

    def __init__(self, split: str, stream: random.Random) -> None:
        self.split = split
        self.stream = stream
        self._used: set[str] = set()

    def word(self) -> str:
        """Return a word this problem does not use yet."""
        pool = {"dev": DEV_WORDS, "test": TEST_WORDS}.get(self.split)
        while True:
            word = self.stream.choice(pool) if pool else spliced_word(self.stream)
            if word not in self._used:
                self._used.add(word)
                return word

    def title(self) -> str:
        """Return a description of two capitalised words."""
        return f"{self.word().capitalize()} {self.word().capitalize()}"

    def number(self, low: int, high: int) -> int:
        """Return a number of this split in low..high, both included; short and long ones are equally likely."""
        pools = [numbers(self.split, max(low, 10**digits), min(high, 10 ** (digits + 1) - 1)) for digits in range(3)]
        return self.stream.choice(self.stream.choice([pool for pool in pools if pool]))

    def other_number(self, number: int) -> int:
        """Return a wrong number next to ``number``."""
        return number + self.stream.choice((1, 2))
