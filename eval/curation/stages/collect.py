"""Collect: every source of the recipe as rows, in its order; what gives no row is named with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from env.files import sha256_file
from env.refusal import Refusal
from eval.curation.recipe import Kind, Recipe, Source
from eval.curation.records import CuratedRow, Dropped, StageResult
from eval.curation.sources import contentdb, debian, documents, lua_code, row_files, unit_lines
from eval.curation.sources.found import Collects
from eval.curation.surroundings import Surroundings
from eval.overlap.ngrams import normalise

READERS: dict[Kind, Collects] = {
    "rows": row_files.collect,
    "lua": lua_code.collect,
    "docs": documents.collect,
    "deb": debian.collect,
    "contentdb": contentdb.collect,
    "units": unit_lines.collect,
}


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the sources with the digests of their files. Raises Refusal where one is not there."""
    return {
        "sources": {name: asdict(replace(source, path="")) for name, source in recipe.sources.items()},
        "content": {name: _content(name, source) for name, source in recipe.sources.items()},
        "templates": asdict(recipe.templates),
        "domain": around.domain.name,
    }


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows of every source."""
    found: list[CuratedRow] = []
    dropped: list[Dropped] = []
    for name, source in recipe.sources.items():
        for item in READERS[source.kind](name, source, recipe.templates, around.domain):
            (found if isinstance(item, CuratedRow) else dropped).append(item)  # type: ignore[arg-type]
    rows = _numbered(found)
    return StageResult(rows, tuple(dropped), _facts(rows))


def _facts(rows: Sequence[CuratedRow]) -> dict[str, Any]:
    repeated = [count for count in Counter(normalise(row.prompt) for row in rows).values() if count > 1]
    return {
        "rows by source": dict(Counter(row.source for row in rows)),
        "repeated prompts": sum(repeated) - len(repeated),
        "groups of equal prompts": len(repeated),
    }


def _content(name: str, source: Source) -> Any:
    path = Path(source.path)
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        fix = "Name a file, an archive or a folder; `data=FOLDER` is where relative paths begin."
        raise Refusal(f"sources.{name}.path: there is no {path}.", fix)
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    return {file.relative_to(path).as_posix(): sha256_file(file) for file in files}


def _numbered(rows: Sequence[CuratedRow]) -> tuple[CuratedRow, ...]:
    """Return the rows with ids that are unique: a line that gives several numbers them."""
    seen: Counter[str] = Counter()
    numbered = []
    for row in rows:
        seen[row.id] += 1
        numbered.append(row if seen[row.id] == 1 else replace(row, id=f"{row.id}#{seen[row.id]}"))
    return tuple(numbered)
