"""Mods, games, Rojo and Wally projects: registrations, functions and modules become rows with their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from eval.curation.recipe import Source, Templates
from eval.curation.records import CuratedRow
from eval.curation.sources.code_units import NoCode, Unit, units
from eval.curation.sources.file_licences import FileLicences, Said, licences_of
from eval.curation.sources.found import Found, nothing_at, place_id
from eval.curation.sources.trees import NotRead, TreeFile, read_tree
from eval.domains import Domain

_CODE = (".lua", ".luau")
_FIELDS_NAMED, _COMMENT = 12, 160


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield the rows of every file of code in a folder, an archive, or a folder of archives."""
    yield from rows_of(read_tree(Path(source.path)), name, source, templates)


def rows_of(tree: Iterable[TreeFile | NotRead], name: str, source: Source, templates: Templates) -> Iterator[Found]:
    """Yield the rows of the files of a tree, and its members that were not read."""
    texts: dict[str, str] = {}
    for member in tree:
        if isinstance(member, NotRead):
            yield nothing_at(name, member.name, 0, "not read", member.why)
        elif (text := _decoded(member)) is not None:
            texts[member.name] = text
        elif member.name.endswith(_CODE):
            yield nothing_at(name, member.name, 0, "not UTF-8")
    licences = licences_of(texts)
    for file, text in texts.items():
        if file.endswith(_CODE):
            yield from _of_file(name, file, text, licences, source, templates)


def _decoded(member: TreeFile) -> str | None:
    try:
        return member.data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def _of_file(
    name: str, file: str, text: str, licences: FileLicences, source: Source, templates: Templates
) -> Iterator[Found]:
    said = licences.of(file, text, source.licence)
    if said.wrong:
        yield nothing_at(name, file, 1, "licence not clear", said.wrong)
        return
    try:
        found = units(text)
    except NoCode as error:
        yield nothing_at(name, file, 1, "not read as Lua", str(error))
        return
    for unit in found:
        lines = unit.text.count("\n") + 1
        if not templates.min_lines <= lines <= templates.max_lines:
            reason = (
                "shorter than templates.min_lines" if lines < templates.min_lines else "longer than templates.max_lines"
            )
            yield nothing_at(name, file, unit.line, reason, f"{unit.kind} of {lines} lines")
        else:
            yield row_of(name, file, unit, said, source, templates)


def row_of(name: str, file: str, unit: Unit, said: Said, source: Source, templates: Templates) -> Found:
    """Return the row that asks for a unit of code; one that nothing names would be asked for like many others."""
    if unit.kind == "registration" and not (unit.name or unit.comment):
        return nothing_at(name, file, unit.line, "nothing says what it registers", unit.call)
    return CuratedRow(
        id=place_id(name, file, unit.line),
        source=name,
        file=file,
        line=unit.line,
        instruction=instruction_of(unit, file, templates),
        output=unit.text,
        family=templates.family,
        part=source.part,
        kind=unit.call.removeprefix("register_") or unit.kind,
        mod_name=unit.name.partition(":")[0].lstrip(":") if unit.kind == "registration" and ":" in unit.name else "",
        commit=source.commit,
        licence=said.licence,
        attribution=said.holders or f"the authors of {name}",
        made=f"template: {unit.kind}",
        # what stands in one file may say nearly the same without being alike by n-grams
        cluster=file,
    )


def instruction_of(unit: Unit, file: str, templates: Templates) -> str:
    """Return what asks for a unit: its template, and the comment that its author wrote before it."""
    template = {"registration": templates.registration, "function": templates.function, "module": templates.module}
    fields = ", ".join(unit.fields[:_FIELDS_NAMED])
    told = template[unit.kind].format(
        kind=unit.call.removeprefix("register_").replace("_", " ") or unit.kind,
        name=unit.name or "without a name",
        fields=fields or "none",
        parameters=", ".join(unit.parameters) or "none",
        file=file.rpartition("/")[2],
    )
    comment = unit.comment[:_COMMENT].strip()
    return f"{told} {comment}" if len(comment.split()) > 2 else told
