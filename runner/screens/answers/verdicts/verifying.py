"""Programs of any origin in lines: each with its verdict, findings and what it made; then how many failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from env.counts import counted, listed_text
from runner.screens.ink import line, write_lines

if TYPE_CHECKING:
    from eval.interop.projects import Found
    from eval.interop.verifying import Verified

_MADE_AT_MOST = 8


def print_verified(one: Verified, stream: TextIO | None = None) -> None:
    """Write one program's verdict, with what leads to a cause."""
    verdict, files = one.verdict, len(one.project.sources)
    about = f"  {counted(files, 'file')}" if files > 1 else ""
    mod = f"  mod {one.project.mod_name}" if one.project.mod_name else ""
    style = "good" if verdict.outcome == "PASSED" else "no"
    lines = [line((f"{verdict.outcome.value}  ", style), (one.project.path, "bold"), (f"{about}{mod}", "dim"), hang=4)]
    lines += [line(f"    {verdict.detail}", hang=4)] if verdict.detail else []
    lines += [line(("  ! ", "odd"), finding, hang=4) for finding in one.findings]
    lines += [line(("  note: ", "dim"), remark, hang=8) for remark in one.project.remarks]
    if verdict.registered:
        lines.append(line(("  made: ", "dim"), listed_text(verdict.registered, _MADE_AT_MOST), hang=8))
    write_lines(stream or sys.stdout, lines)


def print_verified_end(
    found: Found, verified: Sequence[Verified], failed: int, judge: str, stream: TextIO | None = None
) -> None:
    """Write how many programs failed, what judged them, and as programs of which domain."""
    findings = sum(len(one.findings) for one in verified)
    said = f"{counted(len(verified), 'program')}, {failed:,} failed, {counted(findings, 'finding')}"
    lines = [
        line((said, "bold")),
        line(("judged by ", "dim"), f"{judge}; as {found.domain.title}: {found.why}", hang=10),
        line(
            ("no task: ", "dim"),
            "PASSED means that it ran without an error, not that it does what it should.",
            hang=9,
        ),
    ]
    write_lines(stream or sys.stdout, lines)
