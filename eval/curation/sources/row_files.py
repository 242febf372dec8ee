"""Files of rows of every public layout; a line that gives no row is named with its reason, the others are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from eval.curation.recipe import Source, Templates
from eval.curation.records import CuratedRow, Part
from eval.curation.sources.found import Found, nothing_at, place_id
from eval.datasets.files.folders import files_of
from eval.datasets.files.json_lines import Line, json_type
from eval.datasets.files.opening import open_rows
from eval.datasets.formats.chat_turns import conversation
from eval.datasets.formats.layouts import layout_of
from eval.datasets.formats.messages import NoTurns, turns_of
from eval.domains import Domain, Foreign
from eval.pipeline.forms.calls import listed

_UNREADABLE, _NO_ROW, _NO_FAMILY = "not readable", "no question with an answer", "no family"
_TEXTS = ("instruction", "input", "output", "family", "kind", "cluster")


class _NoRow(ValueError):
    """A line is no question with an answer; the message says why."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What a line asks and answers; ``messages`` where it is a chat, ``flaw`` how its answer is cut off."""

    instruction: str
    output: str
    input: str = ""
    system: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    flaw: str = ""


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield the rows of a file, or of a folder's data files in the order of their names."""
    path = Path(source.path)
    foreign: Foreign | None = import_module(domain.foreign) if domain.foreign else None  # type: ignore[assignment]
    for file in files_of(path):
        shown = file.relative_to(path).as_posix() if path.is_dir() else file.name
        for line in open_rows(file).lines:
            yield _found(name, shown, line, source, domain, foreign)


def _found(name: str, file: str, line: Line, source: Source, domain: Domain, foreign: Foreign | None) -> Found:
    if line.wrong:
        return nothing_at(name, file, line.number, _UNREADABLE, line.wrong)
    try:
        values = _in_our_keys(line.values)
        said = _of_chat(values) if "messages" in values else _of_texts(values)
    except (_NoRow, NoTurns) as error:
        return nothing_at(name, file, line.number, _NO_ROW, str(error))
    family = str(values.get("family") or (foreign.family_of(line.values) if foreign else "") or source.family)
    if family not in domain.families:
        return nothing_at(name, file, line.number, _NO_FAMILY, f'"{family}"' if family else "nothing names one")
    terms = foreign.licence_of(line.values) if foreign else None
    return CuratedRow(
        id=place_id(name, file, line.number),
        source=name,
        file=file,
        line=line.number,
        instruction=said.instruction,
        input=said.input,
        output=said.output,
        family=family,
        part=_part(source.part, domain.families[family]),
        kind=str(values.get("kind") or values.get("category") or values.get("task_family") or ""),
        system=said.system,
        messages=said.messages,
        tools=_tools(values),
        commit=source.commit,
        licence=str(values.get("licence") or values.get("license") or source.licence),
        # what the domain knows of a row's source outweighs what its file's licence says
        terms="fair-use" if terms is not None and terms.refused else "",
        attribution=terms.source if terms is not None and terms.source else name,
        cluster=str(values.get("cluster") or ""),
        facts={"flaw": said.flaw} if said.flaw else {},
    )


def _in_our_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    layout = layout_of(values)
    if layout is None:
        raise _NoRow(f"has no layout that is read; its keys: {', '.join(map(repr, list(values)[:8])) or 'none'}")
    if layout.ours is None or layout.may_lack:
        raise _NoRow(f"is a row of {layout.title}")
    return layout.ours(values)


def _of_texts(values: Mapping[str, Any]) -> _Said:
    for key in _TEXTS:
        value = values.get(key)
        if not isinstance(value, str | None):
            raise _NoRow(f'"{key}" is {json_type(value)}, not text')
        if key in ("instruction", "output") and not (value or "").strip():
            raise _NoRow(f'"{key}" is empty' if key in values else f'it has no "{key}"')
    return _Said(values["instruction"], values["output"], values.get("input") or "")


def _of_chat(values: Mapping[str, Any]) -> _Said:
    """Return a chat of one question as it is executed; of several, all that is asked and all that is answered."""
    chat = conversation(values["messages"])
    if not chat.unusable:
        kept = tuple(values["messages"])
        return _Said(chat.question, chat.answer, "", chat.system, kept, chat.flaw)
    turns = turns_of(values["messages"])
    asked = [turn.text.strip() for turn in turns if turn.role == "user"]
    answers = [
        "\n".join(part for part in (turn.text.strip(), listed(turn.calls) if turn.calls else "") if part)
        for turn in turns
        if turn.role == "assistant"
    ]
    if len(asked) < 2 or not all(asked) or not any(answers):
        raise _NoRow(chat.unusable)
    system = turns[0].text.strip() if turns[0].role == "system" else ""
    return _Said("\n".join(asked), "\n".join(filter(None, answers)), "", system, tuple(values["messages"]))


def _tools(values: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    tools = values.get("tools")
    return tuple(tool for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()


def _part(asked: Part, form: str) -> Part:
    """Return which part a row belongs to: what answers by calls is a trajectory, whatever its file is."""
    return "trajectories" if form == "calls" and asked == "pairs" else asked
