"""Split: a share of the rows is held out by whole clusters, and what remains is compared with the benchmarks once more.

Once more: with rows gone, a phrase that was common among them may be so no longer (eval/curation/leaks.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

from eval.curation.benchmarks import tasks_by_source
from eval.curation.leaks import without_leaks
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.curation.stages import decontaminate
from eval.curation.surroundings import Surroundings

SPLIT = "split"
TRAIN, HELD_OUT = "train", "held_out"


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings, the seed, and what rows are compared with."""
    return {**asdict(recipe.split), "seed": recipe.seed, "decontaminate": decontaminate.depends(recipe, around)}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows, each with its side in ``facts["split"]``."""
    held_out = held_out_clusters([row.cluster for row in rows], recipe.split.held_out, recipe.seed)
    placed = [replace(row, facts={**row.facts, SPLIT: HELD_OUT if row.cluster in held_out else TRAIN}) for row in rows]
    train = [row for row in placed if row.facts[SPLIT] == TRAIN]
    settings = recipe.decontaminate
    by_source = tasks_by_source(settings.benchmarks, settings.files, around.domain)
    clean, dropped = without_leaks(train, [task for own in by_source.values() for task in own], settings.tiers)
    kept_ids = {row.id for row in clean}
    kept = tuple(row for row in placed if row.facts[SPLIT] == HELD_OUT or row.id in kept_ids)
    sides = Counter(str(row.facts[SPLIT]) for row in kept)
    clusters = {side: len({row.cluster for row in kept if row.facts[SPLIT] == side}) for side in sides}
    return StageResult(kept, tuple(dropped), {"rows": dict(sides), "clusters": clusters})


def held_out_clusters(clusters: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """Return clusters that together hold at most ``share`` of the rows, and as many as fit in the order of the seed."""
    sizes = Counter(clusters)
    room = share * len(clusters)
    chosen: set[str] = set()
    for cluster in sorted(sizes, key=lambda name: sha256(f"{seed}/{name}".encode()).digest()):
        if sizes[cluster] <= room:
            chosen.add(cluster)
            room -= sizes[cluster]
    return frozenset(chosen)
