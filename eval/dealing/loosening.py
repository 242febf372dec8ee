"""Instructions with strange words: what keeps a model from learning a few hundred sentences by heart."""

from __future__ import annotations

import random

from eval.dealing.pools import spliced_word

REPLACED_SHARE = 0.4
DROPPED_SHARE = 0.25


def loosen(wording: str, kept: frozenset[str], stream: random.Random) -> str:
    """Return ``wording`` (choices made, slots unfilled) with some words outside ``kept`` dropped or made strange."""
    loosened = (_loosen_word(word, kept, stream) for word in wording.split(" "))
    return " ".join(word for word in loosened if word)


def _loosen_word(word: str, kept: frozenset[str], stream: random.Random) -> str:
    bare = word.strip(".,;:?!()").lower()
    if not bare.isalpha() or bare in kept or stream.random() >= REPLACED_SHARE:
        return word
    if stream.random() < DROPPED_SHARE:
        return ""
    return " ".join(spliced_word(stream) for _ in range(stream.randint(1, 2)))
