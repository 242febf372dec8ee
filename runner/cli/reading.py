"""The commands that show what a run is and what it found; none of them changes a result."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from env.refusal import Refusal
from runner.cli.app import AsJson, Results, RunName, app, existing_run, print_json
from runner.places import RESULTS


@app.command()
def status(
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it, live.")] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Say for each begun gate whether its results are still current.")
    ] = False,
) -> None:
    """Show where the current run is."""
    from runner import screens
    from runner.run import Run
    from runner.view import view_run

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
    from runner.run import Run, run_folders
    from runner.view import view_run

    views, broken = [], []
    for folder in run_folders(results):
        try:
            views.append(view_run(Run.open(folder)))
        except Refusal as refusal:
            broken.append(refusal)
    if as_json:
        print_json([dataclasses.asdict(view) for view in views])
    elif views or not broken:
        screens.print_runs(views)
    for unreadable in broken:
        screens.print_refusal(unreadable)


@app.command()
def report(
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Write report.html and report.md of a run, finished or not, and say where they are."""
    from runner.report import build, to_json, write_html, write_markdown
    from runner.run import Run

    opened = Run.open(existing_run(results, run))
    data = build(opened)
    if as_json:
        print_json(to_json(data))
        return
    typer.echo(f"{write_markdown(data, opened.folder)}\n{write_html(data, opened.folder)}")


@app.command()
def config(
    key: Annotated[str | None, typer.Argument(help="A dotted key or a section; all of it by default.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--with", help="KEY=VALUE on top (repeatable).")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Only what differs from conf/'s defaults.")] = False,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Print the configuration of the current run, or of the run that `advance` would create."""
    from runner.inspect_config import config_difference, config_part, present_config, render_config, render_difference

    present = present_config(results, run, overrides or [])
    shown = config_difference(present) if diff else config_part(present, key)
    if as_json:
        print_json(shown)
    else:
        typer.echo(render_difference(shown) if diff else render_config(shown))


def _why(folder: Path, as_json: bool) -> None:
    from runner import screens
    from runner.config import read_config
    from runner.freshness import examine
    from runner.run import Run

    opened = Run.open(folder)
    found = examine(opened, read_config(opened.file("config.yaml"))[1])
    if as_json:
        print_json([dataclasses.asdict(item) for item in found])
    else:
        screens.print_freshness(folder, found)
