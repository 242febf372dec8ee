"""What `doctor` prints besides its checks: what it checks now, and which command comes next."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from runner.screens.ink import Line, is_terminal, line, write_lines

if TYPE_CHECKING:
    from env.checks import Check

_DOES = {"advance": "starts or continues the run", "new": "makes the run", "retry": "runs the gate again"}


def announce_part(part: str) -> None:
    """Show on a terminal what is being checked."""
    if is_terminal(sys.stdout):
        write_lines(sys.stdout, [line((f"checking {part} …", "dim"))])


def print_next_look(
    overrides: Sequence[str],
    checks: Sequence[Check],
    with_model: bool,
    begin: str = "advance",
    stream: TextIO | None = None,
) -> None:
    """Write the command that comes after these checks; ``begin`` is the one that makes or continues the run."""
    write_lines(stream or sys.stdout, [next_line(overrides, checks, with_model, begin)])


def next_line(overrides: Sequence[str], checks: Sequence[Check], with_model: bool, begin: str = "advance") -> Line:
    """Return 'next: …': doctor again where a check blocks, else the model, else the run."""
    given = "".join(f" {shlex.quote(text)}" for text in overrides)
    if any(check.blocks for check in checks):
        again = " --model" if with_model else ""
        words, remark = f"python -m runner doctor{again}{given}", "after fixing what blocks"
    elif not with_model:
        words, remark = f"python -m runner doctor --model{given}", "loads the model: one step, one adapter, one sample"
    else:
        words, remark = f"python -m runner {begin}{given}", _DOES.get(begin, "")
    return line(("next: ", "dim"), (words, "command"), (f"   {remark}", "dim"), hang=6)
