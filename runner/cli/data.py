"""The commands about data: what the tasks of a file check, and one program judged against a task."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.files import is_device_or_pipe, refuse_device_or_pipe
from env.refusal import Refusal
from runner.cli.app import AsJson, Results, RunName, app, existing_run, print_json
from runner.cli.grading import judge_app
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS

if TYPE_CHECKING:
    from gates.settings import Experiment

FileAndOverrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="A JSONL file of eval items; default: the run's data."),
]


@app.command()
def tasks(
    data: FileAndOverrides = None, run: RunName = None, results: Results = RESULTS, as_json: AsJson = False
) -> None:
    """List tasks with their checks, clusters and splits.

    References and known wrong answers are executed; no model is loaded. Ends with 3 where a reference fails.
    """
    from gates.known_answers import list_tasks
    from runner import screens

    listing = list_tasks(_experiment(data or [], run, results))
    if as_json:
        print_json(
            {
                "tasks": [one.to_json() for one in listing.tasks],
                "remarks": list(map(dataclasses.asdict, listing.remarks)),
                "verifier": listing.verifier,
                "isolation": listing.isolation,
                "selection": dict(zip(("choice", "reason"), listing.selection, strict=True)),
            }
        )
    else:
        file = str(Path(data[0]).resolve()) if data and os.path.exists(data[0]) else ""
        screens.print_tasks(listing, file, (data or [])[1:])
    if any(one.reference.outcome != "PASSED" for one in listing.tasks):
        raise typer.Exit(Exit.GATE_SAID_NO)


@judge_app.command("program")
def judge(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's id, such as eval:3.")],
    program: Annotated[Path, typer.Argument(metavar="FILE.lua", help="The answer; - reads standard input.")],
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="Whose task: as for `tasks`.", show_default=False),
    ] = None,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Judge a program against a task.

    Ends with 3 where it does not pass.
    """
    from gates.known_answers import judge_program
    from runner import screens

    found = judge_program(_experiment(data or [], run, results), task, _text(program))
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        screens.print_judged(found)
    if found.verdict.outcome != "PASSED":
        raise typer.Exit(Exit.GATE_SAID_NO)


def _experiment(data: list[str], run: str | None, results: Path) -> Experiment:
    """Return the experiment of a file and overrides, else that of the run."""
    from runner.runs.config import compose_experiment, read_older_config

    if not data:
        return read_older_config(existing_run(results, run) / "config.yaml")
    is_override = "=" in data[0] and not os.path.exists(data[0])
    file, more = ("", data) if is_override else (data[0], data[1:])
    refuse_device_or_pipe(Path(file))
    if file and not os.path.exists(file):
        raise Refusal(f"{file}: no such file.", "Give a file of eval items, or overrides such as dataset=luantibench.")
    path = Path(file).resolve()
    # rows are not looked at: the items stand in for them
    named = ["dataset=jsonl", f"dataset.eval={path}", f"dataset.train={path}"] if file else []
    experiment, _ = compose_experiment([*named, *more])
    return experiment


def _text(program: Path) -> str:
    if str(program) == "-":
        return sys.stdin.read()
    if is_device_or_pipe(program):
        raise Refusal(f"{program} is a device or a pipe, not a file.", "Give - to read the answer from standard input.")
    try:
        return program.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise Refusal(f"{program}: cannot be read ({why}).", "Give a file with the answer.") from None
