"""JSON lines that each hold a piece of code with its place and licence, as a survey of packages writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.curation.licences.dep5 import expression_of
from eval.curation.recipe import Source, Templates
from eval.curation.sources.code_units import NoCode, units
from eval.curation.sources.file_licences import Said
from eval.curation.sources.found import Found, nothing_at
from eval.curation.sources.lua_code import row_of
from eval.datasets.files.folders import files_of
from eval.datasets.files.opening import open_rows
from eval.domains import Domain

_TEXTS = ("code", "file", "licence")


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield a row for each unit of the code of each line, which has the keys code, file, line and licence."""
    for path in files_of(Path(source.path)):
        for line in open_rows(path).lines:
            wrong = line.wrong or _fault(line.values)
            if wrong:
                yield nothing_at(name, path.name, line.number, "not readable", wrong)
            else:
                yield from _rows(name, f"{path.name}:{line.number}", line.values, source, templates)


def _fault(values: Mapping[str, Any]) -> str:
    missing = [key for key in _TEXTS if not isinstance(values.get(key), str)]
    if missing:
        return f"it has no text as {', '.join(missing)}"
    line = values.get("line")
    return "" if isinstance(line, int) and not isinstance(line, bool) and line > 0 else "it has no line"


def _rows(name: str, place: str, values: Mapping[str, Any], source: Source, templates: Templates) -> Iterator[Found]:
    file, first = values["file"], values["line"]
    try:
        found = units(values["code"])
    except NoCode as error:
        yield nothing_at(name, file, first, "not read as Lua", f"{place}: {error}")
        return
    said = Said(
        expression_of(values["licence"]) or source.licence,
        place,
        f"the authors of {values.get('pkg') or values.get('mod') or name}",
    )
    if not found:
        yield nothing_at(name, file, first, "no registration, function or module", place)
    for unit in found:
        moved = replace(unit, line=first + unit.line - 1)
        yield row_of(name, file, moved, said, source, templates)
