"""Parse: the program, the patched file or the calls in every answer; an answer without one, or cut off, is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from eval.curation.answers import task_of
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, Dropped, StageResult, dropped_row
from eval.curation.surroundings import Surroundings
from eval.pipeline.extract import extract
from eval.records import Candidate, Outcome, Task


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings, and the domain that says what an answer is."""
    return {**asdict(recipe.parse), "domain": around.domain.name}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows whose answer holds what its family requests."""
    kept: list[CuratedRow] = []
    dropped: list[Dropped] = []
    for row in rows:
        found = _read(row, recipe, around)
        (kept if isinstance(found, CuratedRow) else dropped).append(found)  # type: ignore[arg-type]
    return StageResult(tuple(kept), tuple(dropped))


def _read(row: CuratedRow, recipe: Recipe, around: Surroundings) -> CuratedRow | Dropped:
    if len(row.output) > recipe.parse.max_characters:
        return dropped_row(row, "answer too long", f"{len(row.output):,} characters")
    if "\0" in row.output or "\0" in row.prompt:
        return dropped_row(row, "holds a NUL")
    task = task_of(row, around.domain)
    found = extract(task, row.output, around.domain.language)
    if found.code is None and not _stays(task, found, recipe):
        return dropped_row(row, f"answer without a program: {found.outcome}", found.detail)
    flaw = str(row.facts.get("flaw", "")) or ("inside a fenced block" if found.rule.endswith("fence-open") else "")
    if flaw and recipe.parse.drop_cut_off:
        return dropped_row(row, "answer cut off", flaw)
    return replace(row, facts={**row.facts, "extracted": found.rule})


def _stays(task: Task, found: Candidate, recipe: Recipe) -> bool:
    """Whether a row stays although its answer holds no program."""
    in_words = task.answer == "calls" and found.outcome is Outcome.NO_CODE
    return recipe.parse.without_program == "all" or (recipe.parse.without_program == "words" and in_words)
