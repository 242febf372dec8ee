"""A dry run on a screen: each gate that is left, what it will do, about how long, and by what measure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from env.wording.estimates import about
from runner.screens.ink import Line, line, pad, write_lines
from runner.views.wording import gate_name

if TYPE_CHECKING:
    from runner.views.coming import Coming, ComingGate

_NAME_COLUMNS = 14


def print_coming(coming: Coming, stream: TextIO | None = None) -> None:
    """Write what an advance would do to ``stream`` (standard output)."""
    write_lines(stream or sys.stdout, coming_lines(coming))


def coming_lines(coming: Coming) -> list[Line]:
    """Return one line a gate with its basis below, then the sum; or that nothing is left, or not yet measured."""
    head = line("run ", (coming.run or "a new one", "bold"), ("   dry run: nothing is started", "dim"), hang=4)
    if not coming.gates:
        return [head, line("nothing is left to do up to that gate")]
    lines = [head, *(item for gate in coming.gates for item in _gate_lines(gate))]
    seconds = sum(gate.duration.seconds for gate in coming.gates if gate.duration is not None)
    if coming.is_measured:
        return [*lines, line(("in all ", "dim"), (f"about {about(seconds)}", "bold"), (", as fast as Gate A", "dim"))]
    return [*lines, line(("Gate A measures how long these take; `doctor --model` does so without a run", "dim"))]


def _gate_lines(gate: ComingGate) -> list[Line]:
    name = pad(gate_name(gate.gate, gate.title), _NAME_COLUMNS)
    took = f"about {about(gate.duration.seconds)}" if gate.duration is not None else ""
    first = line("  ", (name, "bold"), f" {pad(took, 14)} ", gate.summary, hang=2 + _NAME_COLUMNS + 16)
    if gate.duration is None:
        return [first]
    return [first, line(" " * (2 + _NAME_COLUMNS + 16), (gate.duration.basis, "dim"), hang=2 + _NAME_COLUMNS + 16)]
