"""JSON-lines files of rows, of every layout that the domain reads; a line that gives no row is named with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from eval.curation.records import CuratedRow, Part
from eval.curation.recipe import Source, Templates
from eval.curation.sources.found import Found, nothing_at, place_id
from eval.datasets.chat_format import flattened
from eval.datasets.formats.chat_turns import conversation
from eval.datasets.json_lines import Line, json_type, read_objects
from eval.domains import Domain, Foreign

_UNREADABLE, _NO_ROW, _NO_FAMILY = "not readable", "no question with an answer", "no family"
_TEXTS = ("instruction", "input", "output", "family", "kind", "cluster", "system")


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield the rows of a file, or of a folder's ``*.jsonl`` files in the order of their names."""
    path = Path(source.path)
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise Refusal(f"sources.{name}.path: {path} holds no *.jsonl file.", "Name a file, or a folder of them.")
    foreign: Foreign | None = import_module(domain.foreign) if domain.foreign else None  # type: ignore[assignment]
    for file in files:
        shown = file.relative_to(path).as_posix() if path.is_dir() else file.name
        for line in read_objects(file):
            yield _found(name, shown, line, source, domain, foreign)


def _found(name: str, file: str, line: Line, source: Source, domain: Domain, foreign: Foreign | None) -> Found:
    if line.wrong:
        return nothing_at(name, file, line.number, _UNREADABLE, line.wrong)
    values, system, wrong, flaw = _in_our_words(line.values)
    if wrong:
        return nothing_at(name, file, line.number, _NO_ROW, wrong)
    family = values.get("family") or (foreign.family_of(line.values) if foreign else "") or source.family
    if family not in domain.families:
        return nothing_at(name, file, line.number, _NO_FAMILY, f'"{family}"' if family else "nothing names one")
    terms = foreign.licence_of(line.values) if foreign else None
    return CuratedRow(
        id=place_id(name, file, line.number),
        source=name,
        file=file,
        line=line.number,
        instruction=values["instruction"],
        input=values.get("input") or "",
        output=values["output"],
        family=family,
        part=_part(line.values, source.part, domain.families[family]),
        kind=values.get("kind") or str(line.values.get("category") or line.values.get("task_family") or ""),
        system=system or values.get("system") or "",
        commit=source.commit,
        licence=_text(line.values, "licence") or _text(line.values, "license") or source.licence,
        # what the domain knows of a source outweighs what the file's own licence says
        terms="fair-use" if terms is not None and terms.refused else "",
        attribution=terms.source if terms is not None and terms.source else name,
        cluster=values.get("cluster") or "",
        facts={"flaw": flaw} if flaw else {},
    )


def _in_our_words(values: Mapping[str, Any]) -> tuple[dict[str, Any], str, str, str]:
    """Return a line as instruction, input and output; its system turn; why it is no row; how its answer is cut off."""
    system = flaw = ""
    given = dict(values)
    if "messages" in values and "family" in values:
        flat = flattened(given)
        if flat.wrong:
            return {}, "", flat.wrong, ""
        given, system = flat.values, flat.system
    elif "messages" in values:
        chat = conversation(values["messages"])
        if chat.unusable:
            return {}, "", chat.unusable, ""
        given |= {"instruction": chat.question, "output": chat.answer, "input": ""}
        system, flaw = chat.system, chat.flaw
    elif "prompt" in values and "completion" in values:
        given |= {"instruction": values["prompt"], "output": values["completion"]}
    return given, system, _fault(given), flaw


def _fault(values: Mapping[str, Any]) -> str:
    for key in ("instruction", "output"):
        if key not in values:
            return f'it has no "{key}"'
        if not isinstance(values[key], str):
            return f'"{key}" is {json_type(values[key])}, not text'
        if not values[key].strip():
            return f'"{key}" is empty'
    strange = next((key for key in _TEXTS if not isinstance(values.get(key), str | None)), "")
    return f'"{strange}" is {json_type(values[strange])}, not text' if strange else ""


def _part(values: Mapping[str, Any], asked: Part, form: str) -> Part:
    """Return which part a row belongs to: what answers by calls is a trajectory, whatever its file is."""
    return "trajectories" if form == "calls" and asked == "pairs" else asked


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
