"""Near-duplicates among many texts: MinHash in bands proposes pairs, the exact Jaccard index of their n-grams decides.

128 functions in 32 bands of 4 (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4): a pair of J = 0.7 shares
a band with probability 0.9998, one of 0.8 with 1 − 4e-8. No signature is kept, so memory is the n-grams' 8 bytes each.
In a bucket of more than ``_EVERY_PAIR`` texts each is compared with those that stand for the others, not with all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from env.silence import reach
from eval.overlap.ngrams import Hashes, NearPair, Vocabulary, jaccard, ngram_hashes, normalise

LEAST_JACCARD = 0.7
_BANDS, _ROWS = 32, 4
_SEED = 20260701
_EVERY_PAIR = 24
# Of n-grams that are hashed at once: 32 MB.
_AT_ONCE = 4_000_000
_TOLD_EVERY = 20_000


@dataclass(frozen=True, slots=True)
class Shingles:
    """The distinct n-grams of texts, sorted in each: those of text i are ``grams[starts[i]:starts[i + 1]]``."""

    grams: Hashes
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, text: int) -> Hashes:
        """Return the n-grams of one text."""
        return self.grams[self.starts[text] : self.starts[text + 1]]


def shingled(texts: Iterable[str], size: int) -> Shingles:
    """Return the n-grams of ``texts``, which are normalised here; an empty one has none."""
    vocabulary, parts, lengths = Vocabulary(), [], [0]
    for number, text in enumerate(texts, start=1):
        grams = np.unique(ngram_hashes(vocabulary.encode(normalise(text)), size))
        parts.append(grams)
        lengths.append(len(grams))
        if number % _TOLD_EVERY == 0:
            reach(number, number, "texts read")
    flat = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    return Shingles(flat, np.cumsum(lengths, dtype=np.int64))


def near_links(shingles: Shingles, threshold: float) -> list[NearPair]:
    """Return pairs of texts (the earlier first) with J ≥ ``threshold``, by position.

    By chains they join whatever every pair would join, but where a bucket is large: there they join each text with one
    that stands for it.
    """
    tried: set[int] = set()
    found: list[NearPair] = []
    filled = np.flatnonzero(np.diff(shingles.starts))
    for number, keys in enumerate(_band_keys(shingles, filled), start=1):
        for bucket in _buckets(keys, filled):
            found += _alike(bucket, shingles, threshold, tried)
        reach(number, _BANDS, "bands")
    return sorted(found, key=lambda pair: (pair.left, pair.right))


def _band_keys(shingles: Shingles, filled: NDArray[np.int64]) -> Iterator[Hashes]:
    """Yield, per band, a key of each text of ``filled``: equal where four minima are."""
    generator = np.random.default_rng(_SEED)
    for _ in range(_BANDS):
        keys = np.zeros(len(filled), dtype=np.uint64)
        for _ in range(_ROWS):
            factor = generator.integers(1, 2**63, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
            shift = generator.integers(0, 2**63, dtype=np.uint64)
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + _minima(shingles, filled, factor, shift)
        yield keys


def _minima(shingles: Shingles, filled: NDArray[np.int64], factor: np.uint64, shift: np.uint64) -> Hashes:
    """Return the least hash of each text's n-grams, 32 bits of it; in pieces, so that memory stays small."""
    starts = shingles.starts[filled]
    minima = np.empty(len(filled), dtype=np.uint64)
    first = 0
    while first < len(filled):
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _AT_ONCE)))
        end = starts[last] if last < len(filled) else len(shingles.grams)
        piece = (shingles.grams[starts[first] : end] * factor + shift) >> np.uint64(32)
        minima[first:last] = np.minimum.reduceat(piece, starts[first:last] - starts[first])
        first = last
    return minima


def _buckets(keys: Hashes, filled: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the texts that share a key, two and more, in order."""
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    edges = np.concatenate(([0], bounds, [len(order)]))
    for place in np.flatnonzero(np.diff(edges) > 1):
        yield filled[order[edges[place] : edges[place + 1]]]


def _alike(bucket: NDArray[np.int64], shingles: Shingles, threshold: float, tried: set[int]) -> Iterator[NearPair]:
    texts = bucket.tolist()
    if len(texts) <= _EVERY_PAIR:
        for left, right in combinations(texts, 2):
            yield from _compared(left, right, shingles, threshold, tried)
        return
    standing: list[int] = []
    for text in texts:
        joined = False
        for other in standing:
            pair = _key(other, text, len(shingles))
            fresh = list(_compared(other, text, shingles, threshold, tried))
            yield from fresh
            # a pair that an earlier band joined has been given already
            if fresh or (pair in tried and _jaccard(other, text, shingles) >= threshold):
                joined = True
                break
        if not joined:
            standing.append(text)


def _compared(left: int, right: int, shingles: Shingles, threshold: float, tried: set[int]) -> Iterator[NearPair]:
    key = _key(left, right, len(shingles))
    if key not in tried:
        tried.add(key)
        index = _jaccard(left, right, shingles)
        if index >= threshold:
            yield NearPair(left, right, index)


def _key(left: int, right: int, count: int) -> int:
    return left * count + right


def _jaccard(left: int, right: int, shingles: Shingles) -> float:
    return jaccard(shingles.of(left), shingles.of(right))


def groups_of(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return, for each of ``count`` positions, the first position that pairs join it with, chain by chain."""
    first = list(range(count))

    def root(place: int) -> int:
        while first[place] != place:
            first[place] = first[first[place]]
            place = first[place]
        return place

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return [root(place) for place in range(count)]


def equal_links(texts: Sequence[object]) -> list[tuple[int, int]]:
    """Return pairs (first, later) of positions whose texts are equal; empty ones equal nothing."""
    first: dict[object, int] = {}
    pairs = [(first.setdefault(text, place), place) for place, text in enumerate(texts) if text]
    return [(one, other) for one, other in pairs if one != other]
