"""Texts as sets of word n-grams: normal form, hashed n-grams, shared runs, and pairs of near-duplicates by MinHash.

MinHash (Broder 1997) with 128 functions only proposes pairs, at an estimate within 0.15 of the threshold; each is then
confirmed by its exact Jaccard index. The estimate's standard error at J = 0.7 is 0.04, so 1 pair in 10,000 is missed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_TOKEN = re.compile(r"\w+")
_QUOTES = dict.fromkeys(map(ord, "'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"), '"')
_FUNCTIONS, _MARGIN = 128, 0.15
_SEED = 20260701
# odd multipliers of a polynomial hash over word numbers, and of its final mixing (splitmix64, Steele et al. 2014)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two texts by position, ``left`` in the first sequence, and the Jaccard index of their n-grams."""

    left: int
    right: int
    jaccard: float


class Vocabulary:
    """Numbers words in order of appearance, so that n-grams of several texts can be hashed comparably."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def encode(self, text: str) -> Hashes:
        """Return the word numbers (from 1) of a normalised text."""
        numbers = self._numbers
        tokens = [numbers.setdefault(token, len(numbers) + 1) for token in tokens_of(text)]
        return np.array(tokens, dtype=np.uint64)


def normalise(text: str) -> str:
    """Return ``text`` without differences that do not count: case, white space, and the kind of quotes."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES)
    return " ".join(folded.split())


def tokens_of(text: str) -> list[str]:
    """Return the words of ``text`` in order; an identifier such as ``register_node`` is one word."""
    return _TOKEN.findall(text)


def ngram_hashes(tokens: Hashes, size: int) -> Hashes:
    """Return a 64-bit hash of each n-gram in order, shape (words − size + 1,); one of all words for a shorter text."""
    if len(tokens) == 0:
        return np.empty(0, dtype=np.uint64)
    size = min(size, len(tokens))
    count = len(tokens) - size + 1
    hashes = np.full(count, size, dtype=np.uint64)
    for offset in range(size):
        hashes = hashes * _STEP + tokens[offset : offset + count]
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX_1
    hashes = (hashes ^ (hashes >> np.uint64(27))) * _MIX_2
    return hashes ^ (hashes >> np.uint64(31))


def jaccard(left: Hashes, right: Hashes) -> float:
    """Return the shared share of two arrays of distinct hashes, intersection by union; 0 when both are empty."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - shared
    return shared / union if union else 0.0


def near_pairs(
    left: Sequence[str], right: Sequence[str], size: int, threshold: float, keep: int = 20
) -> tuple[NearPair, ...]:
    """Return the pairs of a text of ``left`` and one of ``right`` whose sets of ``size``-grams have J ≥ ``threshold``.

    Texts are normalised here; empty ones match nothing. For each left text the ``keep`` most similar are returned, best
    first.
    """
    vocabulary = Vocabulary()
    ours, theirs = ([vocabulary.encode(normalise(text)) for text in texts] for texts in (left, right))
    return near_word_pairs(ours, theirs, size, threshold, keep)


def near_word_pairs(
    left: Sequence[Hashes], right: Sequence[Hashes], size: int, threshold: float, keep: int = 20
) -> tuple[NearPair, ...]:
    """Return what ``near_pairs`` does, for texts given as the word numbers of one Vocabulary."""
    left_sets, right_sets = ([np.unique(ngram_hashes(words, size)) for words in texts] for texts in (left, right))
    left_signatures, right_signatures = _signatures(left_sets), _signatures(right_sets)
    pairs: list[NearPair] = []
    for i, grams in enumerate(left_sets):
        estimates = (right_signatures == left_signatures[i]).mean(axis=1)
        likely = np.flatnonzero(estimates >= threshold - _MARGIN)
        # the margin on top of `keep` lets the exact index reorder what the estimate ranks
        likely = likely[np.argsort(-estimates[likely], kind="stable")][: 2 * keep]
        found = [NearPair(i, int(j), jaccard(grams, right_sets[j])) for j in likely]
        found = [pair for pair in found if pair.jaccard >= threshold]
        pairs += sorted(found, key=lambda pair: (-pair.jaccard, pair.right))[:keep]
    return tuple(pairs)


def longest_shared_run(left: str, right: str) -> str:
    """Return the longest run of words that both normalised texts have, as ``left`` writes it; "" when there is none."""
    ours = list(_TOKEN.finditer(left))
    words = [match.group() for match in ours]
    run = SequenceMatcher(None, words, tokens_of(right), autojunk=False).find_longest_match()
    return left[ours[run.a].start() : ours[run.a + run.size - 1].end()] if run.size else ""


def _signatures(sets: Sequence[Hashes]) -> NDArray[np.uint32]:
    """Return the MinHash signature of each set, shape (sets, 128); that of an empty set equals no other."""
    generator = np.random.default_rng(_SEED)
    factors = generator.integers(1, 2**63, size=_FUNCTIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = generator.integers(0, 2**63, size=_FUNCTIONS, dtype=np.uint64)
    signatures = np.empty((len(sets), _FUNCTIONS), dtype=np.uint32)
    for i, grams in enumerate(sets):
        if len(grams):
            signatures[i] = ((grams[:, None] * factors + shifts) >> np.uint64(32)).min(axis=0)
        else:
            signatures[i] = generator.integers(0, 2**32, size=_FUNCTIONS, dtype=np.uint32)
    return signatures
