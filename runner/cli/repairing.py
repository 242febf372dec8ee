"""The command that asks a model again with its own answers and what executing them showed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.counts import counted
from env.files import write_atomic
from env.silence import reach, turn_to
from runner.cli.app import AsJson, GateName, Results, RunName, app, existing_run, gate_letter, say
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS, expanded

if TYPE_CHECKING:
    from env.heartbeat import Pulse


class Feedback(StrEnum):
    """What a model is told: what anybody sees at once, or, of training tasks, the failed checks too."""

    RUNTIME = "runtime"
    CHECKS = "checks"


@app.command()
def repair(
    gate: GateName,
    turns: Annotated[int, typer.Option(min=0, help="How often it may answer again; 0 only reads.")] = 1,
    below: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Rewrite passed answers too, whose marks lie below.", show_default=False),
    ] = None,
    told: Annotated[Feedback, typer.Option("--feedback", help="What it is told.")] = Feedback.RUNTIME,
    tasks: Annotated[int, typer.Option(min=0, help="Of C: so many training tasks; 0: as many as dev tasks.")] = 0,
    rows: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of C: write what was fixed as training rows.", show_default=False),
    ] = None,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Ask again for a gate's failed answers.

    pass@1 after each turn, beside fresh samples for the same tokens; the gate's own files stay as they are.
    """
    from gates.correcting.request import ROWS_FILE, Request, require_allowed
    from runner import screens
    from runner.repairing.command import repair as correct
    from runner.repairing.command import stale_or_damaged

    folder = existing_run(results, run)
    request = Request(gate_letter(gate), turns, below, told.value, tasks)
    require_allowed(request, rows is not None)
    if stale := stale_or_damaged(folder, request.gate):
        screens.print_staleness(folder, stale)
        raise typer.Exit(Exit.STALE)
    turn_to("asking again: a worker starts")
    ended = correct(folder, request, _tell)
    if ended.report is None:
        screens.print_unrepaired(ended.failure, folder)
        raise typer.Exit(ended.code)
    if rows is not None:
        _write_rows(ended.report.with_name(ROWS_FILE), rows, as_json)
    if as_json:
        say(ended.report.read_text(encoding="utf-8"))
    else:
        screens.print_repair(ended.report)


def _write_rows(made: Path, to: Path, quietly: bool) -> None:
    """Copy the rows to where they were wanted, and say how many; an empty file would be no training file."""
    text = made.read_text(encoding="utf-8")
    if text:
        write_atomic(expanded(to), text)
    count = counted(len(text.splitlines()), "row")
    say(f"{count} written to {to}" if text else f"no answer was fixed: {to} is not written", err=quietly)


def _tell(pulse: Pulse) -> None:
    turn_to(": ".join(part for part in (pulse.phase, pulse.message) if part))
    if pulse.total:
        reach(pulse.done, pulse.total, pulse.unit)
