"""The commands that show what a run is and what it found; none of them changes a result."""

from __future__ import annotations

import dataclasses
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from env.refusal import Refusal
from runner.cli.app import AsJson, Results, RunName, app, existing_run, print_json, say
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS


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
        screens.watch_status(lambda: view_run(Run.open(folder)))
        return
    if why:
        _why(folder, as_json)
        return
    view = view_run(Run.open(folder))
    if as_json:
        print_json(dataclasses.asdict(view))
    else:
        screens.print_status(view)


@app.command()
def runs(results: Results = RESULTS, as_json: AsJson = False) -> None:
    """List the runs."""
    from runner import screens
    from runner.runs.commands import as_typed, typed_flag
    from runner.runs.folder import Run, run_folders
    from runner.views.run_view import view_run

    views, broken = [], []
    for folder in run_folders(results):
        try:
            views.append(view_run(Run.open(folder)))
        except Refusal as refusal:
            broken.append(refusal)
    if as_json:
        print_json([dataclasses.asdict(view) for view in views])
    elif views or not broken:
        screens.print_runs(views, typed_flag(sys.argv[1:], "--results"))
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
    key: Annotated[str | None, typer.Argument(help="A dotted key or a section; all of it by default.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--with", help="KEY=VALUE on top of it (repeatable).")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Only what differs from conf/'s defaults.")] = False,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Print the configuration of a run.

    Of the current one, or, where there is none, of the run that `advance` would create.
    """
    from runner.changing.config_lookup import (
        config_difference,
        config_part,
        present_config,
        render_config,
        render_difference,
    )

    present = present_config(results, run, overrides or [])
    shown = config_difference(present) if diff else config_part(present, key)
    if as_json:
        print_json(shown)
    else:
        say(render_difference(shown) if diff else render_config(shown))


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
