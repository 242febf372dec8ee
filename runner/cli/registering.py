"""The commands of the registry: which adapter is the one to use, since when, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from env.locking import LockHeld
from env.refusal import Refusal
from env.silence import turn_to
from runner.cli.app import AsJson, Results, RunName, app, existing_run, print_json
from runner.cli.releasing import Form
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS


@app.command()
def promote(
    form: Annotated[Form, typer.Option("--form", help="The adapter at its scale, or the merged model.")] = Form.ADAPTER,
    reason: Annotated[
        str, typer.Option("--reason", help="Why other data, verifier or rule than those of latest are right.")
    ] = "",
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Make a run's adapter `latest`, if the rule allows it.

    Ends with 3 where it does not. Rule: conf/promotion.yaml and docs/registry.md.
    """
    from runner import screens
    from runner.registry.promoting import promote as make_latest
    from runner.registry.rule import read_rule

    folder = existing_run(results, run)
    turn_to("asking the rule, exporting, and comparing what was exported")
    with _saying_who_holds():
        done = make_latest(results, folder, form.value, read_rule(), reason.strip())
    if as_json:
        print_json(dataclasses.asdict(done))
    else:
        screens.print_promotion(done, results)
    if done.entry is None:
        raise typer.Exit(Exit.GATE_SAID_NO)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")],
    to: Annotated[int, typer.Option("--to", min=0, help="An entry's number; default: what was latest before.")] = 0,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Make an earlier adapter `latest` again.

    Its bytes are compared first.
    """
    from runner import screens
    from runner.registry.promoting import roll_back

    if not reason.strip():
        raise Refusal("--reason is empty.", "Say why: it stands in the history.")
    with _saying_who_holds():
        entry = roll_back(results, to, reason.strip())
    if as_json:
        print_json(entry.to_json())
    else:
        screens.print_entry(entry)


@app.command()
def registry(
    repair: Annotated[bool, typer.Option("--repair", help="Put the link right where it does not follow.")] = False,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show `latest` and every export, bytes compared.

    Ends with 5 where something is damaged.
    """
    from runner import screens
    from runner.registry.promoting import look

    with _saying_who_holds():
        stock = look(results, repair)
    if as_json:
        print_json(dataclasses.asdict(stock))
    else:
        screens.print_stock(stock, results)
    if stock.link_problem or any(stock.exports.values()):
        raise typer.Exit(Exit.STALE)


@app.command()
def history(results: Results = RESULTS, as_json: AsJson = False) -> None:
    """Show every promotion and rollback, with its reason."""
    from runner import screens
    from runner.registry.ledger import Registry

    entries = Registry.of(results).entries()
    if as_json:
        print_json([entry.to_json() for entry in entries])
    else:
        screens.print_history(entries)


@contextmanager
def _saying_who_holds() -> Iterator[None]:
    try:
        yield
    except LockHeld as held:
        from runner import screens

        screens.print_refusal(
            Refusal(f"The registry is being changed by {held.holder}.", "Wait for it, then type the command again.")
        )
        raise typer.Exit(Exit.HELD) from None
