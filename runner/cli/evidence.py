"""The commands that show the evidence behind a run's numbers: its samples, and other runs beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from env.refusal import Refusal
from runner.cli.app import AsJson, GateName, Results, RunName, app, existing_run, gate_letter, print_json, say
from runner.runs.locations import RESULTS


@app.command()
def samples(
    gate: GateName,
    outcome: Annotated[str, typer.Option(help="Only this outcome, e.g. WRONG.")] = "",
    family: Annotated[str, typer.Option(help="Only of tasks of this family.")] = "",
    kind: Annotated[str, typer.Option(help="Only of tasks of this kind.")] = "",
    task: Annotated[str, typer.Option(help="Only of this task, by its id.")] = "",
    cell: Annotated[str, typer.Option(help="Only of this model: base, or a cell, e.g. step-000120_x1.00.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most N.")] = 5,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the prompts too.")] = False,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show a gate's programs with their verdicts.

    Each with its failed checks, the reason, and the verifier.
    """
    from runner import screens
    from runner.runs.folder import Run
    from runner.views.samples import Wanted, find_samples, sample_rows

    letter, opened = gate_letter(gate), Run.open(existing_run(results, run))
    wanted = Wanted(outcome.upper(), family, kind, task, cell, limit)
    found = find_samples(opened, letter, wanted, with_prompts=prompt)
    if as_json:
        _print_foreign_json(sample_rows(found))
    else:
        screens.print_samples(found, wanted.describe())


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Two or more runs: names, parts, or folders.")
    ],
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Folder of the page; default: comparisons/ beside the runs."),
    ] = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Compare runs: verdicts, intervals, differences.

    Adapters measured on the same test tasks are also compared task by task.
    """
    from runner import screens
    from runner.report.page.comparison import comparison_page, write_comparison
    from runner.runs.folder import Run
    from runner.views.comparison import compare_runs

    comparison = compare_runs([Run.open(folder) for folder in _distinct(results, runs)])
    if as_json:
        print_json(comparison.to_json())
    else:
        screens.print_comparison(comparison)
    if html is not None or not as_json:
        page = write_comparison(comparison, html or comparison_page(results, comparison))
        say(f"\npage: {page}", err=as_json)


def _distinct(results: Path, names: list[str]) -> list[Path]:
    """Return the runs' folders. Raises Refusal when fewer than two runs are named, or one twice."""
    folders = [existing_run(results, name).resolve() for name in names]
    twice = next((folder.name for folder in folders if folders.count(folder) > 1), "")
    if twice:
        raise Refusal(f"{twice} is named twice.", "Name different runs; see `python -m runner runs`.")
    if len(folders) < 2:
        raise Refusal("One run alone cannot be compared.", "Name two or more; see `python -m runner runs`.")
    return folders


def _print_foreign_json(data: Any) -> None:
    """Print JSON in ASCII: what a model wrote may hold characters that no terminal should receive unescaped."""
    say(json.dumps(data, indent=2, default=str))
