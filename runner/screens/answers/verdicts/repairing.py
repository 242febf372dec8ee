"""The result of asking again, in lines: a row for each turn of each arm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.screens.ink import Line, line, pad, write_lines
from runner.screens.status import detail
from runner.views.corrections import ArmRows, Repair, TurnRow, read_correction

if TYPE_CHECKING:
    from runner.advance.failure import Failure

_HEADS = ("turn", "pass@1", "95%", "asked", "fixed", "broke", "tokens/solved", "fresh, same tokens", "difference")


def print_repair(path: Path, stream: TextIO | None = None) -> None:
    """Write what a correction gave, and where it is stored."""
    write_lines(stream or sys.stdout, [*repair_lines(read_correction(path)), line(("  all:  ", "dim"), str(path))])


def print_unrepaired(failure: Failure | None, folder: Path, stream: TextIO | None = None) -> None:
    """Write that it was stopped or crashed, and what resumes it."""
    write_lines(stream or sys.stderr, unrepaired_lines(failure, folder))


def repair_lines(found: Repair) -> list[Line]:
    """Return the heading, a table for each arm, and what the numbers do not say."""
    lines = [line((found.heading, "bold"))]
    for arm in found.arms:
        lines += [line(), *_table(arm)]
    return [*lines, line(), *(line(("  ", "dim"), (sentence, "dim"), hang=2) for sentence in found.remarks)]


def unrepaired_lines(failure: Failure | None, folder: Path) -> list[Line]:
    """Return why there is no result, and the command that goes on."""
    again = detail("next", "the same command resumes: what is stored is not generated again")
    if failure is None:
        return [line(("‖", "odd"), " stopped at your request", hang=2), again]
    first = line(("✗", "crash"), " asking again ", ("crashed", "crash"), f"  {failure.sentence}", hang=4)
    where = [detail("where", failure.where)] if failure.where else []
    fix = [detail("fix", failure.fix)] if failure.fix else []
    return [first, *where, detail("log", str(folder / "logs" / "repair.log")), *fix, again]


def _table(arm: ArmRows) -> list[Line]:
    cells = [list(_HEADS), *(_cells(row) for row in arm.turns)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADS))]
    title = line(f"  {arm.arm}", (f"   {arm.sizes}", "dim"))
    return [
        title,
        *(
            line("  " + "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip())
            for row in cells
        ),
    ]


def _cells(row: TurnRow) -> Sequence[str]:
    return (
        str(row.turn),
        row.pass_1,
        row.interval,
        f"{row.asked:,}" if row.turn else "",
        f"{row.fixed:,}" if row.turn else "",
        f"{row.broke:,}" if row.turn else "",
        row.tokens_per_solved,
        row.fresh,
        row.over_fresh,
    )
