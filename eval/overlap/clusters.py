"""Which tasks repeat another: prompts with J ≥ 0.8 on 5-grams share a cluster, whatever cluster the file gave them.

Intervals and splits go by cluster: near-duplicates in two of them would count one observation twice, and choosing on
one of a pair would look at the other. Answers do not join: two questions may have one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def merged_clusters(prompts: Sequence[str], clusters: Sequence[str]) -> tuple[str, ...]:
    """Return each prompt's cluster after joining, chain by chain, the clusters that hold near-duplicates.

    A joined cluster keeps the name that comes first in the alphabet, so the order of the prompts changes nothing.
    """
    joined = {name: name for name in clusters}

    def root(name: str) -> str:
        while joined[name] != name:
            name = joined[name]
        return name

    for pair in alike_across_clusters(prompts, clusters):
        left, right = sorted((root(clusters[pair.left]), root(clusters[pair.right])))
        joined[right] = left
    return tuple(root(name) for name in clusters)
