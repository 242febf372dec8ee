"""The result of verifying stored completions again, in lines."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from gates.rejudging import Rejudgement

# Disagreements named on a screen; the file has all of them.
_SHOWN = 10


def print_rejudgement(found: Rejudgement, path: Path, stream: TextIO | None = None) -> None:
    """Write whether the verdicts are unchanged, which are not, and the file that lists them all."""
    write_lines(stream or sys.stdout, rejudgement_lines(found, path))


def rejudgement_lines(found: Rejudgement, path: Path) -> list[Line]:
    """Return the agreement, the kinds of disagreement, the first of them, and where they all are."""
    agree = found.samples - len(found.disagreements)
    mark = ("✓ ", "good") if not found.disagreements else ("✗ ", "no")
    before = ", ".join(f"{name} ({count:,})" for name, count in found.judged_by.items())
    lines = [
        line(
            mark,
            f"gate {found.gate.upper()}: {agree:,} of {found.samples:,} verdicts unchanged; "
            f"{len(found.flips)} flip between pass and fail",
            hang=2,
        ),
        line(("  verifier: ", "dim"), f"{before}; now {found.verifier}, isolation {found.isolation}", hang=13),
    ]
    kinds = Counter((d.before, d.after) for d in found.disagreements)
    lines += [line(f"  {count:>6,}  {was} became {now}") for (was, now), count in kinds.most_common()]
    lines += [
        line(f"  {d.task_id} {d.arm} #{d.index}: {d.before} → {d.after}: {d.after_detail or d.before_detail}", hang=4)
        for d in found.disagreements[:_SHOWN]
    ]
    return [*lines, line(("  all:   ", "dim"), str(path))]
