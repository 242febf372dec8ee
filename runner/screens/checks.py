"""Checks on a screen: value, expectation, reason and fix, failures last."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from env.checks import Check
from env.wording.counts import counted
from env.wording.listing import more_text
from runner.screens.ink import Line, columns, line, pad, write_lines

if TYPE_CHECKING:
    from gates.report import GateReport

SHOWN_EVIDENCE = 10
_NAME_COLUMNS = 26


def print_checks(report: GateReport | Sequence[Check], stream: TextIO | None = None) -> None:
    """Write all checks of a report (or of ``doctor``) to ``stream`` (standard output)."""
    checks = report if isinstance(report, Sequence) else report.checks
    where = "" if isinstance(report, Sequence) else f"gate_{report.gate}/report.json"
    write_lines(stream or sys.stdout, checks_lines(checks, where))


def checks_lines(checks: Sequence[Check], where: str = "") -> list[Line]:
    """Return every check, facts first, failures last (a screen ends with what matters), then a summary."""
    name_columns = min(_NAME_COLUMNS, max((columns(check.name) for check in checks), default=0))
    lines: list[Line] = []
    for check in sorted(checks, key=_weight):
        lines.extend(check_lines(check, where, name_columns))
    return [*lines, summary_line(checks)]


def check_lines(check: Check, where: str = "", name_columns: int = _NAME_COLUMNS) -> list[Line]:
    """Return one check: its line and its evidence, and for a failure also the reason, the fix and the waiver."""
    mark, style = _mark(check)
    hang = 6 + name_columns
    remark = check.reason if check.ok else f"expected {check.expected}" if check.expected else ""
    lines = [
        line(
            "  ",
            (mark, style),
            f" {pad(check.name, name_columns)}  ",
            (check.value, style if not check.ok else ""),
            (f"  ({remark})" if remark else "", "dim"),
            hang=hang,
        )
    ]
    if check.ok:
        return [*lines, *evidence_lines(check, where)]
    if check.reason:
        lines.append(line("      ", check.reason, hang=6))
    lines.extend(evidence_lines(check, where))
    if check.fix:
        lines.append(line("      ", ("fix: ", "dim"), check.fix, hang=11))
    if check.waived:
        lines.append(line("      ", ("waived: ", "odd"), check.waived, hang=14))
    return lines


def evidence_lines(check: Check, where: str = "") -> list[Line]:
    """Return the first ten items of a check's evidence, and where the rest is."""
    lines = [line("        ", item, hang=10) for item in check.evidence[:SHOWN_EVIDENCE]]
    if more := more_text(len(check.evidence) - len(lines), where=where):
        lines.append(line(f"        {more}"))
    return lines


def summary_line(checks: Sequence[Check]) -> Line:
    """Return '14 checks: 12 ok, 1 warns, 1 blocks'."""
    judged = [check for check in checks if check.expected or not check.ok]
    warns = sum(not check.ok and check.level == "warn" for check in checks)
    blocks = sum(check.blocks for check in checks)
    waived = sum(bool(check.waived) and not check.ok for check in checks)
    held = sum(check.ok for check in judged)
    parts = [f"{held} ok"]
    parts += [
        f"{number} {word}"
        for number, word in (
            (warns, "warns" if warns == 1 else "warn"),
            (waived, "waived"),
            (blocks, "blocks" if blocks == 1 else "block"),
        )
        if number
    ]
    facts = len(checks) - len(judged)
    style = "no" if blocks else "good"
    return line(
        (f"{counted(len(judged), 'check')}: {', '.join(parts)}", style),
        (f"; {counted(facts, 'fact')}" if facts else "", "dim"),
    )


def _weight(check: Check) -> int:
    """Facts and passed checks first, then warnings, waived failures, and what blocks."""
    if check.ok:
        return 0
    return 3 if check.blocks else 2 if check.level == "block" else 1


def _mark(check: Check) -> tuple[str, str]:
    if check.ok:
        return ("·", "dim") if check.level == "info" and not check.expected else ("✓", "good")
    if check.waived:
        return "‖", "odd"
    return ("✗", "no") if check.level == "block" else ("!", "no")
