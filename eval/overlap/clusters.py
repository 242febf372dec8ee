"""Clusters of tasks that say the same: near-duplicates (J ≥ 0.8 on 5-grams) share one, whatever their file says.

Intervals and splits go by cluster: near-duplicates in two of them would count one observation twice, and choosing on
one of a pair would look at the other. Answers alone do not join: two questions may have one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.overlap.ngrams import near_pairs, normalise

ALIKE_JACCARD = 0.8
_GRAM = 5
_KEPT = 100


@dataclass(frozen=True, slots=True)
class AlikePair:
    """Two prompts by position, ``left`` before ``right``, in different clusters, and their Jaccard index."""

    left: int
    right: int
    jaccard: float


def alike_across_clusters(prompts: Sequence[str], clusters: Sequence[str]) -> tuple[AlikePair, ...]:
    """Return the pairs of near-duplicate prompts whose clusters differ, in order of position."""
    found: dict[tuple[int, int], float] = {}
    first: dict[str, int] = {}
    for position, text in enumerate(prompts):
        same = first.setdefault(normalise(text), position)
        if clusters[same] != clusters[position]:
            found[same, position] = 1.0
    distinct = sorted(first.values())
    texts = [prompts[position] for position in distinct]
    for pair in near_pairs(texts, texts, _GRAM, ALIKE_JACCARD, _KEPT):
        left, right = distinct[pair.left], distinct[pair.right]
        if left < right and clusters[left] != clusters[right]:
            found[left, right] = pair.jaccard
    return tuple(AlikePair(*places, found[places]) for places in sorted(found))


def joined_clusters(clusters: Sequence[str], pairs: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """Return ``clusters`` after joining, chain by chain, those of each pair of positions.

    A joined cluster keeps the name that comes first in the alphabet, so the order of the tasks changes nothing.
    """
    joined = {name: name for name in clusters}

    def root(name: str) -> str:
        while joined[name] != name:
            name = joined[name]
        return name

    for one, other in pairs:
        left, right = sorted((root(clusters[one]), root(clusters[other])))
        joined[right] = left
    return tuple(root(name) for name in clusters)
