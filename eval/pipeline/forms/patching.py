"""A unified-diff applier for diffs that models write: anchored by content, blind to line numbers and counts.

Every hunk must match exactly one place of the source, by lines that are equal, else equal up to trailing white space,
else equal up to any white space; the loosest level used is named. With two possible places the diff is refused,
without guessing. Not covered: renames, binary patches, several files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Level = Literal["exact", "rstrip", "whitespace"]


def _collapsed(line: str) -> str:
    return " ".join(line.split())


LEVELS: tuple[tuple[Level, Callable[[str], str]], ...] = (
    ("exact", str),
    ("rstrip", str.rstrip),
    ("whitespace", _collapsed),
)


class PatchRejected(Exception):
    """The diff does not apply; the message is one sentence with the hunk and why."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk: (" ", "-" or "+", text) for each line."""

    lines: tuple[tuple[str, str], ...]

    @property
    def old(self) -> tuple[str, ...]:
        """The lines it must find: context and deletions."""
        return tuple(text for mark, text in self.lines if mark != "+")

    @property
    def changes(self) -> bool:
        """Whether it adds or deletes anything."""
        return any(mark != " " for mark, _ in self.lines)


@dataclass(frozen=True, slots=True)
class Patched:
    """The source after the diff, the loosest level any hunk matched at, and the number of hunks."""

    text: str
    level: Level
    hunks: int


@dataclass(frozen=True, slots=True)
class _Placed:
    start: int
    hunk: Hunk
    level: Level


def parse_hunks(diff: str) -> tuple[Hunk, ...]:
    """Return the hunks of ``diff`` in order, file headers and "\\ No newline" remarks left out.

    A line without a mark inside a hunk is context whose leading blank was lost. A "--- x" line is a header only when
    "+++ y" follows: in Lua it may as well be the deletion of a comment.
    """
    lines = diff.split("\n")
    hunks: list[Hunk] = []
    current: list[tuple[str, str]] = []
    started = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        previous = lines[number - 1] if number else ""
        if _is_header(line, following, previous) or line.startswith("@@"):
            _close(current, hunks)
            started = True
        elif line.startswith("\\"):
            continue
        elif line[:1] in ("+", "-"):
            current.append((line[0], line[1:]))
            started = True
        elif started or line[:1] in (" ", "\t"):
            started = True
            current.append((" ", line[1:] if line.startswith(" ") else line))
    _close(current, hunks)
    return tuple(hunks)


def apply_patch(source: str, diff: str) -> Patched:
    """Return ``source`` with every hunk of ``diff`` applied.

    Raises:
        PatchRejected: there is no hunk, one matches nowhere or twice, or two overlap.
    """
    hunks = [hunk for hunk in parse_hunks(diff) if hunk.changes]
    if not hunks:
        raise PatchRejected("The diff changes nothing: no line starts with + or -.")
    lines = source.split("\n")
    placed = sorted((_place(lines, hunk, number) for number, hunk in enumerate(hunks, 1)), key=lambda p: p.start)
    for before, after in pairwise(placed):
        if before.start + len(before.hunk.old) > after.start:
            raise PatchRejected(f"Two hunks change the same lines, from line {after.start + 1}.")
    for place in reversed(placed):
        _replace(lines, place)
    order = [level for level, _ in LEVELS]
    return Patched("\n".join(lines), max((place.level for place in placed), key=order.index), len(hunks))


def _is_header(line: str, following: str, previous: str) -> bool:
    return (
        line.startswith(("diff --git ", "index "))
        or (line.startswith("--- ") and following.startswith("+++ "))
        or (line.startswith("+++ ") and previous.startswith("--- "))
    )


def _close(current: list[tuple[str, str]], hunks: list[Hunk]) -> None:
    """Move what was gathered into ``hunks``, without the blank lines that end the text rather than the hunk."""
    while current and current[-1] == (" ", ""):
        current.pop()
    if current:
        hunks.append(Hunk(tuple(current)))
        current.clear()


def _place(lines: list[str], hunk: Hunk, number: int) -> _Placed:
    if not hunk.old:
        if any(line.strip() for line in lines):
            raise PatchRejected(f"Hunk {number} only adds lines and has no context line to place them.")
        return _Placed(0, hunk, "exact")
    for level, normal in LEVELS:
        starts = _matches([normal(line) for line in lines], [normal(line) for line in hunk.old])
        if len(starts) > 1:
            where = ", ".join(str(start + 1) for start in starts[:3])
            raise PatchRejected(f"Hunk {number} matches {len(starts)} places (lines {where}): it is ambiguous.")
        if starts:
            return _Placed(starts[0], hunk, level)
    raise PatchRejected(f"Hunk {number} matches nowhere: {_first_stranger(lines, hunk)}")


def _matches(lines: list[str], wanted: list[str]) -> list[int]:
    last = len(lines) - len(wanted)
    return [start for start in range(last + 1) if lines[start : start + len(wanted)] == wanted]


def _first_stranger(lines: list[str], hunk: Hunk) -> str:
    known = {_collapsed(line) for line in lines}
    for text in hunk.old:
        if _collapsed(text) not in known:
            return f'the source has no line "{text.strip()[:80]}".'
    return "its lines are in the source, but not next to each other in that order."


def _replace(lines: list[str], place: _Placed) -> None:
    """Put the hunk's result in place; context stays as the source has it."""
    result: list[str] = []
    position = place.start
    for mark, text in place.hunk.lines:
        if mark == "+":
            result.append(text)
        else:
            if mark == " ":
                result.append(lines[position])
            position += 1
    lines[place.start : position] = result
