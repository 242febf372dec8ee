"""The commands about data: what a file of rows holds, and one program judged against a task."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from env.files import is_device_or_pipe
from env.refusal import Refusal
from runner.cli.app import AsJson, Results, RunName, app, print_json
from runner.cli.data.tasks import experiment_of
from runner.cli.verdicts.grading import judge_app
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS

group = typer.Typer(
    help="Look at files of rows.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(group, name="data")


@group.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of rows, or a folder of such files.")],
    layout: Annotated[str, typer.Option("--format", help="The layout that every row must have.")] = "auto",
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", metavar="FOLDER", help="A model's folder or hub name: lengths in its tokens.")
    ] = "",
    domain: Annotated[str, typer.Option("--domain", help="What families and licences mean: luanti or roblox.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a file of rows holds.

    Formats, families, roles, lengths, duplicates, licences, ten samples, and every problem with its lines. Ends with 2
    where a line cannot be read.
    """
    from runner import screens
    from runner.views.data import look_at

    found = look_at(file, layout, tokenizer, domain)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        screens.print_data(found)
    if found.problems:
        raise typer.Exit(Exit.REFUSED)


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

    found = judge_program(experiment_of(data or [], run, results), task, _text(program))
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        screens.print_judged(found)
    if found.verdict.outcome != "PASSED":
        raise typer.Exit(Exit.GATE_SAID_NO)


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
