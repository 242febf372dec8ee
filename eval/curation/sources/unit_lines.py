"""JSON lines that each hold a piece of code with its place and licence, as a survey of packages writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eval.curation.licences.dep5 import expression_of
from eval.curation.recipe import Source, Templates
from eval.curation.records import CuratedRow
from eval.curation.sources.code_units import Unit
from eval.curation.sources.file_licences import Said
from eval.curation.sources.found import Found, nothing_at
from eval.curation.sources.lua_code import row_of
from eval.datasets.files.folders import files_of
from eval.datasets.files.opening import open_rows
from eval.domains import Domain

_TEXTS = ("code", "file", "call", "name", "licence")


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield a row for each line with code, file, line, call (such as register_node), name and licence."""
    for path in files_of(Path(source.path)):
        for line in open_rows(path).lines:
            wrong = line.wrong or _fault(line.values)
            if wrong:
                yield nothing_at(name, path.name, line.number, "not readable", wrong)
            else:
                yield _row(name, line.values, source, templates)


def _fault(values: Mapping[str, Any]) -> str:
    missing = [key for key in _TEXTS if not isinstance(values.get(key), str)]
    if missing:
        return f"it has no text as {', '.join(missing)}"
    line = values.get("line")
    return "" if isinstance(line, int) and not isinstance(line, bool) and line > 0 else "it has no line"


def _row(name: str, values: Mapping[str, Any], source: Source, templates: Templates) -> CuratedRow:
    fields = values.get("fields")
    named = tuple(str(one) for one in fields) if isinstance(fields, list) else ()
    unit = Unit("registration", values["name"], values["code"], values["line"], values["call"], named)
    holder = f"the authors of {values.get('pkg') or values.get('mod') or name}"
    said = Said(expression_of(values["licence"]) or source.licence, "its line", holder)
    return row_of(name, values["file"], unit, said, source, templates)
