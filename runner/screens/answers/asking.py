"""An answer to a request, in lines: each attempt's verdict, what is wrong with it, the program, or what it changes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from runner.assisting.asking import Attempt
    from runner.assisting.inserting import Place

_STYLES = {"+": "good", "-": "no", "@": "dim"}


def print_answer(attempts: Sequence[Attempt], best: Attempt, place: Place | None, stream: TextIO | None = None) -> None:
    """Write every attempt, then the program that is to be used: as a diff where a file holds another one."""
    rows = [row for number, attempt in enumerate(attempts) for row in _attempt_lines(number, attempt, attempt is best)]
    write_lines(stream or sys.stdout, [*rows, line(), *_program_lines(best, place)])


def _attempt_lines(number: int, attempt: Attempt, is_best: bool) -> list[Line]:
    verdict = attempt.sample.verdict
    name = f"correction {number}" if number else "answer"
    marked = "" if attempt.marks is None else f"  marks {attempt.total:.2f}"
    style = "good" if attempt.has_passed else "no"
    head = line((verdict.outcome.value, style), f"  {name}", (f"{marked}{'  used' if is_best else ''}", "dim"))
    lines = [head, *([line(f"    {verdict.detail}", hang=4)] if verdict.detail else [])]
    return [*lines, *(line(("  ! ", "odd"), finding, hang=4) for finding in attempt.findings)]


def _program_lines(best: Attempt, place: Place | None) -> list[Line]:
    from runner.assisting.asking import changed_lines

    if place is not None and place.before:
        changes = changed_lines(place.before, best.code, place.file.name)
        return [line((row, _STYLES.get(row[:1], ""))) for row in changes] or [line("nothing changes")]
    return [line(f"    {row}".replace("\t", "    "), hang=4) for row in best.code.rstrip("\n").split("\n")]
