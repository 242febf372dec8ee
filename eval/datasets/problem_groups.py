"""Problems of a file's lines as a refusal: equal ones once, with their count and their first lines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal
from env.wording.counts import counted
from env.wording.listing import lines_text, listed_text

_GROUPS_SHOWN, LINES_SHOWN = 20, 5
_PLACE = re.compile(r" at (?:column|byte) \d+")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line, as a sentence without the line."""

    line: int
    sentence: str


def refusal(path: Path, problems: Sequence[Problem], rows: int) -> Refusal:
    """Return the refusal of a file of ``rows`` rows."""
    groups: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[_PLACE.sub("", problem.sentence)].append(problem)
    listed = lines_text((_told(group, rows) for group in groups.values()), _GROUPS_SHOWN, "kinds")
    lines = len({problem.line for problem in problems})
    told = f"{path}: {lines} of {counted(rows, 'row')} cannot be read:{listed}"
    return Refusal(told, "Correct them; nothing was read.")


def _told(group: Sequence[Problem], rows: int) -> str:
    """Return one problem with where it is: "line 3: ...", "lines 3, 7 and 12 more: ...", "all 30 rows: ..."."""
    lines = list(dict.fromkeys(problem.line for problem in group))
    if len(lines) == rows > 1:
        return f"all {rows} rows: {group[0].sentence}"
    if len(lines) == 1:
        return f"line {lines[0]}: {group[0].sentence}"
    return f"lines {listed_text(lines, LINES_SHOWN)}: {group[0].sentence}"
