"""The registry in lines: what a promotion was asked and answered, what is latest, and what was before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from runner.registry.ledger import Entry
    from runner.registry.promoting import Promotion, Stock

_MARKS = {"yes": ("  ✓ ", "good"), "no": ("  ✗ ", "no"), "waived": ("  ~ ", "odd")}


def print_promotion(done: Promotion, results: Path, stream: TextIO | None = None) -> None:
    """Write every question with its answer, then what became latest, or what to do."""
    rows = [line(_MARKS[one.answer], one.name, (f"  {one.found}", "dim"), hang=4) for one in done.answers]
    stream = stream or sys.stdout
    if done.entry is not None:
        is_new = "" if done.is_new else "  it was so already; nothing changed"
        write_lines(stream, [*rows, *_entry_lines(done.entry), *([line(is_new, hang=2)] if is_new else [])])
        write_lines(stream, [line(("use it: ", "dim"), str(results / "registry" / "latest"), hang=8)])
        return
    waivable = any(one.answer == "no" and one.may_waive for one in done.answers)
    fixed = any(one.answer == "no" and not one.may_waive for one in done.answers)
    said = "  --reason TEXT lets what differs from latest stand" if waivable and not fixed else ""
    write_lines(stream, [*rows, line(("not promoted", "no"), said)])


def print_entry(entry: Entry, stream: TextIO | None = None) -> None:
    """Write one entry."""
    write_lines(stream or sys.stdout, _entry_lines(entry))


def print_history(entries: Sequence[Entry], stream: TextIO | None = None) -> None:
    """Write every entry, the newest first."""
    rows = [row for entry in reversed(entries) for row in _entry_lines(entry)]
    write_lines(stream or sys.stdout, rows or [line("nothing was promoted yet")])


def print_stock(stock: Stock, results: Path, stream: TextIO | None = None) -> None:
    """Write what is latest, and every export with what is wrong with it."""
    if not stock.entries:
        write_lines(stream or sys.stdout, [line("nothing was promoted yet")])
        return
    rows = [line(("latest  ", "bold"), str(results / "registry" / "latest")), *_entry_lines(stock.entries[-1])]
    for name, wrong in stock.exports.items():
        rows.append(line(_MARKS["no" if wrong else "yes"], name, (f"  {wrong}" if wrong else "", "no"), hang=4))
    if stock.link_problem:
        rows.append(line(("! ", "odd"), stock.link_problem, hang=2))
        rows.append(line(("next: ", "dim"), ("python -m runner registry --repair", "command")))
    write_lines(stream or sys.stdout, rows)


def _entry_lines(entry: Entry) -> list[Line]:
    what = "latest is" if entry.kind == "promote" else "latest is again"
    lines = [
        line((f"{entry.number:>3}  ", "dim"), f"{entry.at}  {what} ", (entry.export, "bold"), hang=5),
        line(f"     {entry.headline}", hang=5),
    ]
    return [*lines, line(("     reason: ", "dim"), entry.reason, hang=13)] if entry.reason else lines
