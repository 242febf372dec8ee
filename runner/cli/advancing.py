"""The commands that start a run and advance it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.installed.invocation import start_command
from env.silence import hand_over
from runner.cli.app import (
    ConfigFile,
    FromDefaults,
    Like,
    Overrides,
    Results,
    RunName,
    app,
    gate_letter,
    say,
    with_file,
)
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS

if TYPE_CHECKING:
    from runner.views.coming import Coming

LastGate = Annotated[str, typer.Option("--to", metavar="GATE", help="Stop after this gate.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Recompute every gate; reuse nothing.")]


def _make(results: Path, overrides: list[str], like: str | None, from_defaults: bool, fresh: bool) -> Path:
    """Make a run and say what it is; nothing is made where something that it needs is not there."""
    from runner.advance.trackers import require_tracker
    from runner.changing.creating import make_run, propose_run
    from runner.runs.folder import current_name
    from runner.screens.notices import print_created

    before = current_name(results)
    proposal = propose_run(results, overrides, like, from_defaults)
    require_tracker(proposal.experiment.tracker)
    folder = make_run(results, proposal, fresh)
    print_created(folder, proposal, before)
    return folder


def _prepared(overrides: list[str], run: str | None, results: Path, fresh: bool = False) -> Path:
    """Return the folder of the selected run, created where there is none, with the overrides accepted.

    Raises:
        typer.Exit: they would make stored results describe another experiment; the changes have been printed.
    """
    from runner import screens
    from runner.changing.edits import change_config
    from runner.runs.folder import current_name, find_run, remember_current

    folder = find_run(results, run)
    if folder is None:
        folder = _make(results, overrides, None, True, fresh)
    elif overrides:
        forbidding = change_config(folder, overrides)
        if forbidding:
            screens.print_staleness(folder, forbidding, overrides)
            raise typer.Exit(Exit.STALE)
    before = current_name(results)
    if run is not None and folder.resolve().parent == results and folder.name != before:
        remember_current(results, folder.name)
        say(f"current run: {folder.name}" + (f" (was {before})" if before else ""))
    return folder


def _coming(overrides: list[str], run: str | None, results: Path, last_gate: str) -> Coming:
    """Return what is left of the selected run, or with overrides what a new run of them would do; creates nothing."""
    from runner.runs.config import compose_experiment
    from runner.runs.folder import find_run
    from runner.views.coming import coming_anew, coming_in

    folder = None if overrides else find_run(results, run)
    return coming_anew(compose_experiment(overrides)[0], last_gate) if folder is None else coming_in(folder, last_gate)


@app.command()
def advance(
    overrides: Overrides = None,
    config: ConfigFile = None,
    to: LastGate = "E",
    fresh: Fresh = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run and how long. Run nothing.")] = False,
    run: RunName = None,
    results: Results = RESULTS,
) -> None:
    """Continue the current run, or start one.

    Safe at any time: it resumes from what is on disk, and stops when a gate says no or at the end.
    """
    from runner import screens
    from runner.advance.loop import advance as advance_run
    from runner.advance.notifying import NotifyingScreen, read_settings
    from runner.launch.ssh import should_tell

    last_gate = gate_letter(to)
    if dry_run:
        screens.print_coming(_coming(with_file(overrides, config), run, results, last_gate))
        return
    told = read_settings()
    folder = _prepared(with_file(overrides, config), run, results, fresh)
    if should_tell(folder, sys.stdout):
        screens.print_connection_hint(folder)
    hand_over()
    raise typer.Exit(advance_run(folder, NotifyingScreen(screens.make_screen(), told), last_gate, fresh))


@app.command()
def tmux(
    overrides: Overrides = None,
    config: ConfigFile = None,
    to: LastGate = "E",
    fresh: Fresh = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it without attaching to it.")] = False,
    run: RunName = None,
    results: Results = RESULTS,
) -> None:
    """Advance in a tmux session, or attach to it.

    The session survives a lost connection and shows the live status below. Takes what `advance` takes.
    """
    from env.locking import LockHeld, holder
    from runner import screens
    from runner.launch.tmux import attach, find_session, is_advancing, open_session, require_tmux

    require_tmux()
    last_gate = gate_letter(to)
    folder = _prepared(with_file(overrides, config), run, results, fresh).resolve()
    session = find_session(folder)
    held_by = holder(folder / "run.lock")
    if held_by is not None and not (session and is_advancing(session)):
        raise LockHeld(folder / "run.lock", held_by)
    runner = start_command()
    how = ["--to", last_gate.upper(), *(["--fresh"] if fresh else [])]
    opened = open_session(
        folder,
        [*runner, "advance", *how, "--run", str(folder)],
        [*runner, "status", "--watch", "--run", str(folder)],
    )
    if detach or not (sys.stdin.isatty() and sys.stdout.isatty()):
        screens.print_session(folder, opened)
    else:
        hand_over()
        attach(opened.name)


@app.command()
def new(
    overrides: Overrides = None,
    config: ConfigFile = None,
    like: Like = None,
    from_defaults: FromDefaults = False,
    fresh: Fresh = False,
    results: Results = RESULTS,
) -> None:
    """Create another run like the current one and make it current.

    It keeps that run's profile, model, data and overrides. Nothing is computed yet.
    """
    from runner.runs.folder import command

    folder = _make(results, with_file(overrides, config), like, from_defaults, fresh)
    say(f"next: {command(folder, 'advance')}")
