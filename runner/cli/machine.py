"""The commands about this machine."""

from __future__ import annotations

import dataclasses

import typer

from runner.cli.app import AsJson, Overrides, Results, app, print_json
from runner.exits import Exit
from runner.places import RESULTS


@app.command()
def doctor(overrides: Overrides = None, results: Results = RESULTS, as_json: AsJson = False) -> None:
    """Look at this machine and the data as Gate A would, without a run and without loading the model."""
    from gates.a_environment import inspect_machine_and_data
    from runner import screens
    from runner.config import compose_experiment

    experiment, _ = compose_experiment(overrides or [])
    checks = inspect_machine_and_data(experiment, results)
    if as_json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        screens.print_checks(checks)
    if any(check.blocks for check in checks):
        raise typer.Exit(Exit.GATE_SAID_NO)
