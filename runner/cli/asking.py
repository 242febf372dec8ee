"""The command that asks a model for a program, and inserts it where it is wanted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.refusal import Refusal
from runner.cli.app import AsJson, app, print_json, say
from runner.runs.exit_codes import Exit

if TYPE_CHECKING:
    from eval.domains import Domain


@app.command()
def ask(
    words: Annotated[str, typer.Argument(metavar='"REQUEST"', help="What is wanted, in your words.")],
    domain: Annotated[str, typer.Option(help="luanti or roblox; default: by the code of --file or --into.")] = "",
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Code that the request is about.")] = None,
    into: Annotated[Path | None, typer.Option("--into", metavar="PATH", help="Write it there; asks first.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    url: Annotated[str | None, typer.Option(help="The server; default: conf/assistant.yaml's.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name there.")] = None,
    turns: Annotated[int | None, typer.Option(help="Corrections at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model for a program; it is run and corrected first.

    With --into it is written there, once it runs. Ends with 3 where it does not run: nothing is written then.
    """
    from eval.chat.client import Client
    from eval.domains import open_verifier
    from runner import screens
    from runner.assisting.asking import Request, best, read_settings
    from runner.assisting.asking import ask as ask_model
    from runner.assisting.inserting import insert, place_in
    from runner.runs.config import compose_experiment
    from runner.views.marks import read_weights

    settings = read_settings(url=url, model=model, turns=turns)
    server = settings.server
    if into is not None and not yes and (as_json or not sys.stdin.isatty()):
        raise Refusal("Nobody is there to be asked whether to write.", "Add --yes, or leave --into away.")
    chosen = _domain(domain, file, into)
    place = None if into is None else place_in(into, bool(chosen.mod_name))
    source = place.before if file is None and place is not None else _read(file)
    experiment, _ = compose_experiment([])
    limits = replace(experiment.verifier, name=next(iter(chosen.verifiers)), workers=1)
    client = Client(server)
    try:
        with open_verifier(chosen, limits) as verifier:
            request = Request(words, source, chosen, read_weights())
            attempts = ask_model(request, settings, client, verifier)
    finally:
        client.close()
    answer = best(attempts)
    if as_json:
        print_json({"best": attempts.index(answer), "attempts": [attempt.to_json() for attempt in attempts]})
    else:
        screens.print_answer(attempts, answer, place)
    if not answer.has_passed:
        raise typer.Exit(Exit.GATE_SAID_NO)
    if place is None:
        return
    if not yes and not typer.confirm(f"Write it to {place.file}?"):
        say("nothing was written")
        return
    copy = insert(place, answer.code)
    say(f"written: {place.file}" + (f"; what was there: {copy}" if copy else ""), err=as_json)


def _domain(name: str, file: Path | None, into: Path | None) -> Domain:
    """Return the domain: by name, else by the code at hand."""
    from eval.domains import DOMAINS, domain_named
    from eval.interop.projects import find_projects

    if name:
        return domain_named(name)
    told = [path for path in (file, into) if path is not None and path.exists()]
    if not told:
        raise Refusal("No code says what the program is for.", f"Say it with --domain: {' or '.join(DOMAINS)}.")
    return find_projects(told).domain


def _read(file: Path | None) -> str:
    from eval.interop.projects import read_program

    return "" if file is None else read_program(file)
