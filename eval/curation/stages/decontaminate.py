"""Decontaminate: no row may hold a benchmark's task, by the same tiers as Gate A's data checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.curation.benchmarks import digests, tasks_by_source
from eval.curation.leaks import leak_facts, without_leaks
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.curation.surroundings import Surroundings


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings and the digests of what rows are compared with."""
    settings = recipe.decontaminate
    return {
        "tiers": settings.tiers,
        **digests(settings.benchmarks, settings.files),
        "domain": around.domain.name,
    }


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows in which no task is found."""
    settings = recipe.decontaminate
    by_source = tasks_by_source(settings.benchmarks, settings.files, around.domain)
    every = [task for tasks in by_source.values() for task in tasks]
    kept, dropped = without_leaks(rows, every, settings.tiers)
    return StageResult(tuple(kept), tuple(dropped), leak_facts(rows, by_source))
