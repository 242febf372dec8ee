"""Order: easiest first, as a curriculum; as the rows were collected; or at random by the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.curation.surroundings import Surroundings


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the order, and the seed of a random one."""
    return {**asdict(recipe.order), "seed": recipe.seed}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows in the requested order; equals in the order of their SHA-256, so that no source comes first."""
    mixed = sorted(rows, key=lambda row: sha256(f"{recipe.seed}/{row.id}".encode()).digest())
    orders: dict[str, Sequence[CuratedRow]] = {
        "difficulty": sorted(mixed, key=lambda row: row.difficulty),
        "source": rows,
        "random": mixed,
    }
    return StageResult(tuple(orders[recipe.order.by]))
