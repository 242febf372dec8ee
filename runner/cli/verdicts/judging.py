"""The command that verifies stored completions again."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.app import AsJson, GateName, Results, RunName, app, existing_run, gate_letter
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS


@app.command()
def rejudge(
    gate: GateName,
    verifier: Annotated[str, typer.Option("--verifier", help="Use this verifier instead of the run's.")] = "",
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Verify stored completions again, without a model.

    Says where verdicts differ; changes nothing stored.
    """
    from gates.rejudging import rejudge as judge_again
    from gates.rejudging import write_rejudgement
    from runner import screens
    from runner.runs.config import read_older_config

    folder = existing_run(results, run)
    experiment = read_older_config(folder / "config.yaml")
    found = judge_again(folder, experiment, gate_letter(gate), verifier)
    path = write_rejudgement(folder, found)
    if as_json:
        typer.echo(path.read_text(encoding="utf-8"))
    else:
        screens.print_rejudgement(found, path)
    if found.disagreements:
        raise typer.Exit(Exit.GATE_SAID_NO)
