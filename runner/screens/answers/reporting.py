"""The files of a report, and what is wrong with the artifacts it was written from, in lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from env.wording.listing import more_text
from runner.screens.ink import Line, line, write_lines

# Problems named on a screen; the report has all of them.
_SHOWN = 10


def print_report(
    pages: Sequence[Path], problems: Sequence[str], remark: str = "", stream: TextIO | None = None
) -> None:
    """Write the pages' paths, then, where so, why they should not be relied on."""
    write_lines(stream or sys.stdout, report_lines(pages, problems, remark))


def report_lines(pages: Sequence[Path], problems: Sequence[str], remark: str = "") -> list[Line]:
    """Return a line a page, the damage below."""
    lines = [line(str(page)) for page in pages]
    if problems:
        lines.append(line(("✗ ", "no"), ("do not rely on this report: its artifacts are damaged", "no"), hang=2))
        lines += [line("  ", problem, hang=2) for problem in problems[:_SHOWN]]
        if more := more_text(len(problems) - _SHOWN, where="the report"):
            lines.append(line(f"  {more}"))
    return [*lines, line(remark)] if remark else lines
