"""The commands that begin a run and go on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.app import Overrides, Results, RunName, app, gate_letter
from runner.exits import Exit
from runner.places import PROJECT, RESULTS


def _create(results: Path, overrides: list[str]) -> Path:
    from env.source import source
    from runner.config import compose_experiment, dump_config, require_data_files
    from runner.run import create_run

    experiment, config = compose_experiment(overrides)
    require_data_files(config)
    return create_run(results, experiment.profile, dump_config(config), overrides, str(source(PROJECT))).folder


@app.command()
def advance(
    overrides: Overrides = None,
    to: Annotated[str, typer.Option("--to", metavar="GATE", help="Stop after this gate.")] = "E",
    run: RunName = None,
    results: Results = RESULTS,
) -> None:
    """Go on with the current run from where it is; begin one where there is none."""
    from runner import screens
    from runner.advance import advance as advance_run
    from runner.change import change_config
    from runner.run import find_run, remember_current

    last_gate = gate_letter(to)
    folder = find_run(results, run)
    if folder is None:
        folder = _create(results, overrides or [])
    elif overrides:
        forbidding = change_config(folder, overrides)
        if forbidding:
            screens.print_staleness(folder, forbidding, overrides)
            raise typer.Exit(Exit.STALE)
    if run is not None and folder.resolve().parent == results:
        remember_current(results, folder.name)
    raise typer.Exit(advance_run(folder, screens.make_screen(), last_gate))


@app.command()
def new(overrides: Overrides = None, results: Results = RESULTS) -> None:
    """Begin another run and make it the current one; `advance` then works on it."""
    from runner.run import command

    folder = _create(results, overrides or [])
    typer.echo(f"created {folder}\nnext: {command(folder, 'advance')}")
