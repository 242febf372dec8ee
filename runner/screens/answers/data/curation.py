"""A curation on a screen: its stages with rows in and out, why rows were dropped, and where the files are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from env.counts import counted
from runner.screens.ink import Line, line, pad, write_lines

if TYPE_CHECKING:
    from eval.curation.running import StageOutcome

_NAME, _COUNT = 15, 10
_REASONS = 6


def print_curation(
    outcomes: Sequence[StageOutcome], out: Path, page: Path | None, stream: TextIO | None = None
) -> None:
    """Write the curation to ``stream`` (standard output); ``page`` is None of a dry run."""
    write_lines(stream or sys.stdout, curation_lines(outcomes, out, page))


def curation_lines(outcomes: Sequence[StageOutcome], out: Path, page: Path | None) -> list[Line]:
    """Return one line a stage, its reasons below, then the files."""
    lines = [item for one in outcomes for item in _stage_lines(one)]
    if page is None:
        return [line("dry run: nothing was written", hang=2), *lines]
    return [*lines, line(), line(("files   ", "dim"), str(out)), line(("page    ", "dim"), str(page))]


def _stage_lines(one: StageOutcome) -> Iterator[Line]:
    found = one.manifest
    if found is None:
        yield line("  · ", pad(one.stage.name, _NAME), ("would run", "dim"))
        return
    dropped = sum(found.dropped.values())
    told = [f"{dropped:,} dropped"] if dropped else []
    told += [f"{found.made:,} made"] if found.made else []
    told += ["reused"] if one.reused else []
    rows = pad(counted(found.rows_out, "row"), _COUNT)
    yield line("  ", ("✓", "good"), " ", pad(one.stage.name, _NAME), rows, ("  " + ", ".join(told), "dim"))
    for reason, count in list(found.dropped.items())[:_REASONS]:
        yield line(" " * 4, pad("", _NAME), (f"{count:,} × {reason}", "dim"), hang=_NAME + 6)
    if len(found.dropped) > _REASONS:
        yield line(" " * 4, pad("", _NAME), (f"and {len(found.dropped) - _REASONS} more reasons", "dim"))
