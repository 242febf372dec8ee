"""The one reader of public rows: every row of a file or folder as a record, or what is wrong with it.

It reads one row at a time and knows no domain: what a family, a licence or a source means is for others to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets.files.folders import files_of
from eval.datasets.files.json_lines import Line, json_type
from eval.datasets.files.opening import open_rows
from eval.datasets.formats.layouts import AUTO, Layout, layout_named, layout_of
from eval.datasets.formats.messages import NoTurns, turns_of
from eval.records import Turn

_OWN_KEYS = ("messages", "instruction", "input", "output", "family", "tools")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of any public layout.

    Attributes:
        file, line: where it stands; elements of a JSON array and rows of parquet count as lines, from 1.
        layout: the name of its layout (``LAYOUTS``).
        turns: the conversation, at least one turn. An instruction with its output is a turn of the user and one of the
            assistant; plain text is one of the assistant alone, a prompt without an answer one of the user alone.
        input: code or documentation that stands in a key of its own beside the instruction; "" without one.
        tools: what the assistant may call, as the file describes it.
        family: "" where the row names none.
        meta: every other key as the file has it (licence, source, category, kind, cluster, ...).
    """

    file: Path
    line: int
    layout: str
    turns: tuple[Turn, ...]
    input: str
    tools: tuple[dict[str, Any], ...]
    family: str
    meta: Mapping[str, Any]

    @property
    def system(self) -> str:
        """The text of the first turn where that is the system's; else ""."""
        return self.turns[0].text if self.turns[0].role == "system" else ""

    @property
    def question(self) -> str:
        """The first turn of the user; "" without one."""
        return next((turn.text for turn in self.turns if turn.role == "user"), "")

    @property
    def answer(self) -> str:
        """The text of the last turn of the assistant; "" without one."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "assistant"), "")


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is no record, and why, as a sentence without the line."""

    file: Path
    line: int
    sentence: str


def read_records(path: Path, layout: str = AUTO) -> Iterator[Record | Broken]:
    """Yield the rows of a file, or of a folder's data files in the order of their names.

    ``layout`` names the layout that every row must have; "auto" takes each row's own.

    Raises:
        Refusal: there is no such file, layout or data file in the folder, or a file is torn, damaged or no text.
    """
    wanted = layout_named(layout)
    for file in files_of(path):
        for line in open_rows(file).lines:
            yield record_of(file, line, wanted)


def record_of(file: Path, line: Line, wanted: Layout | None = None) -> Record | Broken:
    """Return the record of one line, by the layout that is ``wanted`` or its own."""
    if line.wrong:
        return Broken(file, line.number, line.wrong)
    layout = layout_of(line.values) if wanted is None else wanted
    fault = _layout_fault(line.values, layout, wanted)
    if layout is None or layout.ours is None or fault:
        return Broken(file, line.number, fault)
    values = layout.ours(line.values)
    try:
        turns = turns_of(values["messages"]) if "messages" in values else _asked_and_told(values, layout)
        given, family = _text(values, "input"), _text(values, "family")
    except NoTurns as error:
        return Broken(file, line.number, str(error))
    tools = values.get("tools")
    described = tuple(tool for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()
    meta = {key: value for key, value in values.items() if key not in _OWN_KEYS}
    return Record(file, line.number, layout.name, turns, given, described, family, meta)


def _layout_fault(values: Mapping[str, Any], layout: Layout | None, wanted: Layout | None) -> str:
    if layout is None:
        keys = ", ".join(f'"{key}"' for key in list(values)[:8]) or "none"
        return f"has no layout that is read; its keys: {keys}"
    if wanted is not None and not wanted.matches(values):
        return f"lacks the keys of the layout {wanted.name} ({wanted.title})"
    return f"is a row of {layout.title}, which is no question with an answer" if layout.ours is None else ""


def _asked_and_told(values: Mapping[str, Any], layout: Layout) -> tuple[Turn, ...]:
    """Return the turns of an instruction with its output. Raises NoTurns where one is no text, or empty."""
    asked, told = _text(values, "instruction"), _text(values, "output")
    if layout.name != "text" and not asked.strip():
        raise NoTurns('"instruction" is empty')
    if layout.name != "prompt" and not told.strip():
        raise NoTurns('"output" is empty')
    turns = (Turn("user", asked), Turn("assistant", told))
    return tuple(turn for turn in turns if turn.text)


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str | None):
        raise NoTurns(f'"{key}" must be text, not {json_type(value)}')
    return value or ""
