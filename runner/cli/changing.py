"""The commands that start new attempts of a gate."""

from __future__ import annotations

from gates import LAST
from runner.cli.app import GateName, Overrides, Results, RunName, app, existing_run, gate_letter, say
from runner.runs.locations import RESULTS


@app.command()
def retry(overrides: Overrides = None, run: RunName = None, results: Results = RESULTS) -> None:
    """Start a new attempt of the current gate.

    For a gate that said no, crashed or was stopped. The old attempt is kept.
    """
    from runner.changing.edits import retry as retry_gate
    from runner.runs.folder import command

    folder = existing_run(results, run)
    gate = retry_gate(folder, overrides or [])
    say(f"gate {gate.upper()} starts a new attempt\nnext: {command(folder, 'advance')}")


@app.command()
def rewind(gate: GateName, overrides: Overrides = None, run: RunName = None, results: Results = RESULTS) -> None:
    """Go back to before a gate; old attempts are kept.

    This gate and the later ones start new attempts.
    """
    from runner.changing.edits import rewind as rewind_to
    from runner.runs.folder import command

    letter, folder = gate_letter(gate), existing_run(results, run)
    rewind_to(folder, letter, overrides or [])
    after = "" if letter == LAST else " and those after it"
    say(f"gate {letter.upper()}{after}: a new attempt, the old one is kept\nnext: {command(folder, 'advance')}")
