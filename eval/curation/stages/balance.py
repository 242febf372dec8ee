"""Balance: as many rows of each kind as its weight says, by leaving rows out; none is ever repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from math import floor, inf
from typing import Any

from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult, dropped_row
from eval.curation.surroundings import Surroundings


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings and the seed that chooses."""
    return {**asdict(recipe.balance), "seed": recipe.seed}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the chosen rows in their order: first the parts by their shares, then values by their weights."""
    settings = recipe.balance
    parts: list[str] = [row.part for row in rows]
    by_part = _chosen(rows, parts, settings.shares, 0.0, 0 if settings.weights else settings.rows, recipe.seed)
    left = [row for row in rows if row.id in by_part]
    values = [str(getattr(row, settings.by)) for row in left]
    weights = settings.weights or dict.fromkeys(values, 1.0)
    is_weighted = bool(settings.weights)
    by_value = (
        _chosen(left, values, weights, settings.other, settings.rows, recipe.seed)
        if is_weighted
        else {row.id for row in left}
    )
    kept = tuple(row for row in left if row.id in by_value)
    dropped = [dropped_row(row, f"beyond its part's share: {row.part}") for row in rows if row.id not in by_part]
    dropped += [
        dropped_row(row, f"beyond its weight: {settings.by} {value}")
        for row, value in zip(left, values, strict=True)
        if row.id not in by_value
    ]
    facts = {"parts": dict(Counter(row.part for row in kept)), "families": dict(Counter(row.family for row in kept))}
    return StageResult(kept, tuple(dropped), facts)


def _chosen(
    rows: Sequence[CuratedRow],
    values: Sequence[str],
    weights: Mapping[Any, float],
    other: float,
    at_most: int,
    seed: int,
) -> set[str]:
    """Return the ids of the rows that the weights allow; within a value they are chosen by the SHA-256 of their ids."""
    if not weights and not at_most:
        return {row.id for row in rows}
    counts = Counter(values)
    weight_of = {value: weights.get(value, other) if weights else float(counts[value]) for value in counts}
    total = sum(weight_of.values())
    scale = min((counts[value] / weight for value, weight in weight_of.items() if weight > 0), default=0.0)
    scale = min(scale, at_most / total if at_most and total else inf)
    chosen: set[str] = set()
    for value, weight in weight_of.items():
        own = [row.id for row, its in zip(rows, values, strict=True) if its == value]
        own.sort(key=lambda name: sha256(f"{seed}/{name}".encode()).digest())
        # a count that is a whole number but for rounding is that number
        chosen.update(own[: floor(scale * weight + 1e-9)])
    return chosen
