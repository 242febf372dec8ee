"""Licence: every row in a set by its licence; a training set holds the sets that its recipe names, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from eval.curation.licences.expressions import require_data, terms_of
from eval.curation.recipe import Recipe, Terms
from eval.curation.records import CuratedRow, Dropped, StageResult, dropped_row
from eval.curation.surroundings import Surroundings, versions_of


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings and the versions of what knows licences."""
    return {**asdict(recipe.licence), "versions": versions_of(("license-expression", "identify"))}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows whose licence the recipe allows."""
    require_data()
    kept: list[CuratedRow] = []
    dropped: list[Dropped] = []
    for row in rows:
        terms, wrong = _terms(row)
        if terms in recipe.licence.allow or row.licence in recipe.licence.waived:
            kept.append(replace(row, terms=terms))
        else:
            name = row.licence or "none"
            dropped.append(dropped_row(row, f"licence {terms}: {name} of {row.source}", wrong))
    facts = {
        "sets": dict(Counter(row.terms for row in kept)),
        "licences": dict(Counter(row.licence or "unknown" for row in kept).most_common()),
    }
    return StageResult(tuple(kept), tuple(dropped), facts)


def _terms(row: CuratedRow) -> tuple[Terms, str]:
    if row.terms == "fair-use":
        return "fair-use", f"{row.attribution}: published as fair use"
    return terms_of(row.licence)
