"""Clusters of a user's own items, and which of them are dev: items of one template never part."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from eval.overlap.clusters import alike_across_clusters, joined_clusters
from eval.overlap.templates import Question, masked_prompt, same_template
from eval.records import Row

_DEV_SHARE = 1 / 3


def cluster_items(items: Sequence[Row]) -> tuple[str, ...]:
    """Return each item's cluster: its own where the file gives one, else that of its prompt's template.

    Clusters that hold items of one template, or near-duplicates as written, are joined whatever the file says.
    """
    questions = [Question(f"{item.instruction}\n{item.input}", item.output, item.family) for item in items]
    own = [
        item.cluster or f"{item.family}-{hashlib.sha256(masked_prompt(question).encode()).hexdigest()[:8]}"
        for item, question in zip(items, questions, strict=True)
    ]
    alike = alike_across_clusters([question.prompt for question in questions], own)
    return joined_clusters(own, [*same_template(questions), *((pair.left, pair.right) for pair in alike)])


def dev_clusters(placed: Sequence[tuple[str, str]], seed: int) -> frozenset[str]:
    """Return the clusters of the dev split, given (family, cluster) of each task: about a third of each family's tasks.

    Deterministic in ``seed``. A family of one cluster goes to test whole, unless no family has two: then the first half
    of the clusters is dev. Of four clusters and more each split has at least two, which an interval needs. One cluster
    alone cannot be split: dev is empty.
    """
    sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for family, cluster in placed:
        sizes[family][cluster] += 1
    dev: set[str] = set()
    for family in sorted(sizes):
        dev |= _third(sizes[family], seed)
    if not dev:
        every = _shuffled({cluster for _, cluster in placed}, seed)
        dev = set(every[: len(every) // 2])
    return frozenset(_two_each(dev, placed, seed))


def _two_each(dev: set[str], placed: Sequence[tuple[str, str]], seed: int) -> set[str]:
    """Return ``dev`` with one cluster more, or less, where that gives both splits two; the smallest moves."""
    sizes = Counter(cluster for _, cluster in placed)
    order = sorted(_shuffled(sizes, seed), key=lambda cluster: sizes[cluster])
    test = [cluster for cluster in order if cluster not in dev]
    if len(dev) == 1 and len(test) > 2:
        return {*dev, test[0]}
    if len(test) == 1 and len(dev) > 2:
        return dev - {next(cluster for cluster in order if cluster in dev)}
    return dev


def _third(sizes: dict[str, int], seed: int) -> set[str]:
    """Return clusters of one family whose tasks come near a third of all, leaving at least one cluster out."""
    order = _shuffled(sizes, seed)
    goal = sum(sizes.values()) * _DEV_SHARE
    chosen: set[str] = set()
    count = 0
    for cluster in order:
        is_nearer = abs(count + sizes[cluster] - goal) < abs(count - goal)
        if is_nearer and len(chosen) + 1 < len(order):
            chosen.add(cluster)
            count += sizes[cluster]
    if not chosen and len(order) > 1:
        chosen.add(min(order, key=lambda cluster: sizes[cluster]))
    return chosen


def _shuffled(clusters: Collection[str], seed: int) -> list[str]:
    return sorted(clusters, key=lambda cluster: hashlib.sha256(f"{seed}/{cluster}".encode()).digest())
