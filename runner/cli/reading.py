"""The commands that show what a run is and what it found; none of them changes a result."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from env.refusal import Refusal
from env.silence import hand_over, turn_to
from runner.cli.app import (
    AsJson,
    ConfigFile,
    FromDefaults,
    Results,
    RunName,
    app,
    existing_run,
    print_json,
    say,
    with_file,
)
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS, expanded


@app.command()
def status(
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep it on screen, live.")] = False,
    why: Annotated[bool, typer.Option("--why", help="Say which gates' results are up to date, and why.")] = False,
) -> None:
    """Show the current run and its gates."""
    from runner import screens
    from runner.runs.folder import Run
    from runner.views.run_view import view_run

    folder = existing_run(results, run)
    if watch:
        hand_over()
        screens.watch_status(lambda: view_run(Run.open(folder), look_for_edits=True))
        return
    if why:
        _why(folder, as_json)
        return
    view = view_run(Run.open(folder), look_for_edits=True)
    if as_json:
        print_json(dataclasses.asdict(view))
    else:
        screens.print_status(view)


@app.command()
def runs(results: Results = RESULTS, as_json: AsJson = False) -> None:
    """List the runs."""
    from runner import screens
    from runner.runs.commands import as_typed, typed_flag
    from runner.runs.folder import Run, current_name, run_folders
    from runner.views.run_view import view_run

    current = current_name(results)
    views, broken = [], []
    for folder in run_folders(results):
        try:
            views.append(view_run(Run.open(folder)))
        except Refusal as refusal:
            broken.append(refusal)
    if as_json:
        print_json([{**dataclasses.asdict(view), "current": view.id == current} for view in views])
    elif views or not broken:
        screens.print_runs(views, current, typed_flag(sys.argv[1:], "--results"))
    for unreadable in broken:
        screens.print_refusal(as_typed(unreadable, sys.argv[1:]))


class ReportFormat(StrEnum):
    """What `report` writes."""

    HTML = "html"
    MD = "md"
    JSON = "json"


@app.command()
def report(
    name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run, as --run names it.", show_default=False)
    ] = None,
    form: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="Only this format: html, md, or json on standard output.", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Write report.html and report.md of a run.

    Ends with 5 where the artifacts are damaged; the report names what is.
    """
    from runner import screens
    from runner.report import build, to_json, write_html, write_markdown
    from runner.report.page.browser import open_page
    from runner.runs.folder import Run

    if name is not None and run is not None and name != run:
        raise Refusal(
            f'Two different runs are named: "{name}" and "{run}".', "Name one: `report RUN`, or `report --run RUN`."
        )
    opened = Run.open(existing_run(results, name or run))
    turn_to("reading the run for its report")
    data = build(opened)
    if as_json or form is ReportFormat.JSON:
        print_json(to_json(data))
        screens.print_report([], data.problems, stream=sys.stderr)
    else:
        writers = {ReportFormat.MD: write_markdown, ReportFormat.HTML: write_html}
        pages = {kind: write(data, opened.folder) for kind, write in writers.items() if form in (None, kind)}
        page = pages.get(ReportFormat.HTML) or (write_html(data, opened.folder) if show else None)
        remark = open_page(page, os.environ) if show and page is not None else ""
        screens.print_report(list(pages.values()), data.problems, remark)
    if data.problems:
        raise typer.Exit(Exit.STALE)


@app.command()
def config(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY] [KEY=VALUE]...",
            help="A key or section to show, all by default; overrides preview what `new` would create.",
            show_default=False,
        ),
    ] = None,
    file: ConfigFile = None,
    also: Annotated[list[str] | None, typer.Option("--with", hidden=True)] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Only what differs from conf/'s defaults.")] = False,
    starter: Annotated[
        Path | None,
        typer.Option("--starter", metavar="FILE", help="Write them as a profile to edit.", show_default=False),
    ] = None,
    run: RunName = None,
    from_defaults: FromDefaults = False,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Print the configuration of a run.

    Of the current one, or, with overrides or without any run, of the run that `new` would create.
    """
    from runner.changing.config_lookup import (
        config_difference,
        config_part,
        render_config,
        render_difference,
        shown_config,
    )
    from runner.changing.starter import write_starter

    key, overrides = _key_and_overrides([*(words or []), *(also or [])])
    overrides = with_file(overrides, file)
    if starter is not None:
        written = write_starter(expanded(starter), results, overrides, run, from_defaults)
        look = f"python -m runner doctor --model --config {shlex.quote(str(written))}"
        say(f"written {written}\nnext: {look}   when it says what you want")
        return
    shown = shown_config(results, run, overrides, from_defaults)
    found = config_difference(shown) if diff else config_part(shown, key)
    if as_json:
        print_json(found)
    else:
        say(render_difference(found) if diff else render_config(found))


def _key_and_overrides(words: list[str]) -> tuple[str | None, list[str]]:
    """Return the one key to show, and the overrides. Raises Refusal where several keys are named."""
    keys = [word for word in words if "=" not in word]
    if len(keys) > 1:
        raise Refusal(f"Two keys are named: {keys[0]} and {keys[1]}.", "Name one, or a section such as gate.c.train.")
    return keys[0] if keys else None, [word for word in words if "=" in word]


def _why(folder: Path, as_json: bool) -> None:
    from runner import screens
    from runner.runs.config import read_config
    from runner.runs.folder import Run
    from runner.validity.intactness import explain

    opened = Run.open(folder)
    found = explain(opened, read_config(opened.file("config.yaml"))[1])
    if as_json:
        print_json([dataclasses.asdict(item) for item in found])
    else:
        screens.print_freshness(folder, found)
