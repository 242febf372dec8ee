"""Files of chats or of prompts that name a category, not our families: each row is used, or named with its reason.

What a category, a source or a licence means is the domain's to say (``Domain.foreign``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from env.counts import listed_text
from eval.datasets.files.json_lines import Line
from eval.datasets.formats.chat_turns import conversation
from eval.datasets.formats.dialogues import rows_of_turns, takes_every_turn
from eval.datasets.formats.folders import ReadRows
from eval.datasets.formats.messages import NoTurns
from eval.datasets.formats.rules import RowRules
from eval.datasets.problem_groups import LINES_SHOWN
from eval.domains import Foreign
from eval.records import Remark, Row


@dataclass(slots=True)
class Reading:
    """A file so far: the rows that are used, and by reason the lines of the others and of flawed answers."""

    rows: list[Row] = field(default_factory=list)
    unusable: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    flaws: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


class Reader(Protocol):
    """Reads one line into a Reading."""

    def __call__(self, line: Line, foreign: Foreign, reading: Reading, rules: RowRules) -> None: ...


def reader_of(lines: Sequence[Line]) -> Reader | None:
    """Return the reader of a file whose every line has its layout; None where no reader has it."""
    if any(line.wrong for line in lines):
        return None
    return next((read for read, fits in _LAYOUTS.items() if all(fits(line.values) for line in lines)), None)


def _is_chat(values: Mapping[str, Any]) -> bool:
    return "messages" in values and "family" not in values


def _is_prompt(values: Mapping[str, Any]) -> bool:
    return {"prompt", "category"} <= values.keys() and not {"completion", "response", "chosen"} & values.keys()


def read_foreign(
    path: Path, lines: Sequence[Line], reader: Reader, foreign: Foreign, waived: Collection[str], rules: RowRules
) -> ReadRows:
    """Return the rows of a file that can be used, and remarks on the others by reason.

    A row whose licence forbids training is not used, unless ``waived`` names its source.
    """
    reading = Reading()
    refused: dict[str, list[int]] = defaultdict(list)
    unlicensed: set[str] = set()
    for line in lines:
        licence = foreign.licence_of(line.values)
        if licence.refused:
            unlicensed.add(licence.source)
        if licence.refused and licence.source not in waived:
            refused[f"{licence.source} ({licence.refused})"].append(line.number)
        else:
            reader(line, foreign, reading, rules)
    remarks = tuple(_remarks(path, reading, refused, len(lines)))
    return ReadRows(tuple(reading.rows), remarks, tuple(sorted(unlicensed)))


def _read_chat(line: Line, foreign: Foreign, reading: Reading, rules: RowRules) -> None:
    family = foreign.family_of(line.values) or rules.family
    if family and takes_every_turn(line.values["messages"], rules.turns):
        try:
            reading.rows += rows_of_turns(line.values, family, line.number)
        except NoTurns as error:
            reading.unusable[str(error)].append(line.number)
        return
    chat = conversation(line.values["messages"])
    wrong = chat.unusable or ("" if family else "nothing says what it is about")
    if wrong:
        reading.unusable[wrong].append(line.number)
        return
    if chat.flaw:
        reading.flaws[chat.flaw].append(line.number)
    kind = str(line.values.get("category") or line.values.get("task_family") or "")
    reading.rows.append(Row(chat.question, "", chat.answer, family, kind=kind, line=line.number, system=chat.system))


def _read_prompt(line: Line, foreign: Foreign, reading: Reading, rules: RowRules) -> None:
    prompt, family = line.values["prompt"], foreign.family_of(line.values) or rules.family
    if not isinstance(prompt, str) or not prompt.strip():
        reading.unusable["its prompt is no text"].append(line.number)
    elif not family:
        reading.unusable[f'no family for the category "{line.values["category"]}"'].append(line.number)
    else:
        kind = str(line.values["category"])
        reading.rows.append(Row(prompt.strip(), "", "", family, kind=kind, line=line.number))


_LAYOUTS = {_read_chat: _is_chat, _read_prompt: _is_prompt}


def _remarks(path: Path, reading: Reading, refused: Mapping[str, Sequence[int]], total: int) -> Iterator[Remark]:
    if refused:
        yield Remark(
            "licences",
            f"{path.name}: {_count(refused)} of {total} rows are not used: {'; '.join(refused)}",
            "Their licence does not allow training on them.",
            "To use them all the same, name their source in dataset.waived.",
            _evidence(refused),
        )
    if reading.unusable:
        yield Remark(
            "rows left out",
            f"{path.name}: {_count(reading.unusable)} of {total} rows: {_told(reading.unusable)}",
            "They are no question with an answer.",
            "Nothing, or correct them.",
            _evidence(reading.unusable),
        )
    if reading.flaws:
        yield Remark(
            "answers cut off",
            f"{path.name}: {_count(reading.flaws)} of {total} answers: {_told(reading.flaws)}",
            "They are trained on as they are, and teach answers without an end.",
            "Remove them, or let curation reject what does not pass.",
            _evidence(reading.flaws),
        )


def _count(groups: Mapping[str, Sequence[int]]) -> int:
    return sum(map(len, groups.values()))


def _told(groups: Mapping[str, Sequence[int]]) -> str:
    return "; ".join(f"{len(lines)} × {why}" for why, lines in groups.items())


def _evidence(groups: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    return tuple(f"lines {listed_text(lines, LINES_SHOWN)}: {why}" for why, lines in groups.items())
