"""The command that verifies one stored sample again; a report's page offers it for copying."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.app import AsJson, GateName, Results, RunName, app, existing_run, gate_letter, print_json
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS


@app.command()
def replay(
    gate: GateName,
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's id.")],
    index: Annotated[int, typer.Argument(metavar="INDEX", help="Number of the sample, from 0.")],
    cell: Annotated[str, typer.Option("--cell", help="Which cell's sample, for gate D.")] = "",
    verifier: Annotated[str, typer.Option("--verifier", help="Use this verifier instead of the run's.")] = "",
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Verify one stored sample again; show both verdicts.

    No model is loaded, and nothing stored is changed.
    """
    from gates.rejudging import replay as judge_again
    from runner import screens
    from runner.runs.config import read_older_config

    folder = existing_run(results, run)
    experiment = read_older_config(folder / "config.yaml")
    found = judge_again(folder, experiment, gate_letter(gate), task, index, cell, verifier)
    if as_json:
        print_json(found.to_json())
    else:
        screens.print_replay(found)
    if not found.stands:
        raise typer.Exit(Exit.GATE_SAID_NO)
