"""The command line: parse, call, and turn every way of ending into a screen and an exit code."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from env.locking import LockHeld
from env.refusal import Refusal
from runner.exits import Exit
from runner.places import PROJECT, RESULTS, RESULTS_VARIABLE

app = typer.Typer(
    name="runner",
    help="luagate: does this LoRA adapter really make the model better at Lua?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Configuration overrides.", show_default=False)
]
RunName = Annotated[
    str | None, typer.Option("--run", help="A run's name, part of it, or its folder; default: the current run.")
]
Results = Annotated[
    Path, typer.Option("--results", envvar=RESULTS_VARIABLE, resolve_path=True, help="The folder that holds the runs.")
]
GateName = Annotated[str, typer.Argument(metavar="GATE", help="A, B, C, D or E.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _gate(name: str) -> str:
    letter = name.lower()
    if letter not in ("a", "b", "c", "d", "e"):
        raise Refusal(f'"{name}" is not a gate.', "Gates: A, B, C, D, E.")
    return letter


def _existing(results: Path, name: str | None) -> Path:
    from runner.run import find_run

    folder = find_run(results, name)
    if folder is None:
        raise Refusal(f"There is no run in {results}.", "Start one with `python -m runner advance`.")
    return folder


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def _create(results: Path, overrides: list[str]) -> Path:
    from env.source import source
    from runner.config import compose_experiment, dump_config, require_data_files
    from runner.run import create_run

    experiment, config = compose_experiment(overrides)
    require_data_files(config)
    return create_run(results, experiment.profile, dump_config(config), overrides, str(source(PROJECT))).folder


@app.command()
def advance(
    overrides: Overrides = None,
    to: Annotated[str, typer.Option("--to", metavar="GATE", help="Stop after this gate.")] = "E",
    run: RunName = None,
    results: Results = RESULTS,
) -> None:
    """Go on with the current run from where it is; begin one where there is none."""
    from runner import screens
    from runner.advance import advance as advance_run
    from runner.change import change_config
    from runner.run import find_run, remember_current

    last_gate = _gate(to)
    folder = find_run(results, run)
    if folder is None:
        folder = _create(results, overrides or [])
    elif overrides:
        forbidding = change_config(folder, overrides)
        if forbidding:
            screens.print_staleness(folder, forbidding, overrides)
            raise typer.Exit(Exit.STALE)
    if run is not None and folder.resolve().parent == results:
        remember_current(results, folder.name)
    raise typer.Exit(advance_run(folder, screens.make_screen(), last_gate))


@app.command()
def new(overrides: Overrides = None, results: Results = RESULTS) -> None:
    """Begin another run and make it the current one; `advance` then works on it."""
    from runner.run import command

    folder = _create(results, overrides or [])
    typer.echo(f"created {folder}\nnext: {command(folder, 'advance')}")


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

    folder = _existing(results, run)
    if watch:
        screens.watch_status(lambda: view_run(Run.open(folder)))
        return
    if why:
        _why(folder, as_json)
        return
    view = view_run(Run.open(folder))
    if as_json:
        _print_json(dataclasses.asdict(view))
    else:
        screens.print_status(view)


def _why(folder: Path, as_json: bool) -> None:
    from runner import screens
    from runner.config import read_config
    from runner.freshness import examine
    from runner.run import Run

    opened = Run.open(folder)
    found = examine(opened, read_config(opened.file("config.yaml"))[1])
    if as_json:
        _print_json([dataclasses.asdict(item) for item in found])
    else:
        screens.print_freshness(folder, found)


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
        _print_json([dataclasses.asdict(view) for view in views])
    elif views or not broken:
        screens.print_runs(views)
    for unreadable in broken:
        screens.print_refusal(unreadable)


@app.command()
def retry(overrides: Overrides = None, run: RunName = None, results: Results = RESULTS) -> None:
    """Begin a new attempt of the gate that said no, crashed or was stopped; the old attempt is kept."""
    from runner.change import retry as retry_gate
    from runner.run import command

    folder = _existing(results, run)
    gate = retry_gate(folder, overrides or [])
    typer.echo(f"gate {gate.upper()} begins a new attempt\nnext: {command(folder, 'advance')}")


@app.command()
def rewind(gate: GateName, overrides: Overrides = None, run: RunName = None, results: Results = RESULTS) -> None:
    """Go back to just before a gate; it and later gates begin new attempts, the old ones are kept."""
    from runner.change import rewind as rewind_to
    from runner.run import command

    letter, folder = _gate(gate), _existing(results, run)
    rewind_to(folder, letter, overrides or [])
    after = "" if letter == "e" else " and those after it"
    typer.echo(f"gate {letter.upper()}{after}: a new attempt, the old one is kept\nnext: {command(folder, 'advance')}")


@app.command()
def report(
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Write report.html and report.md of a run, finished or not, and say where they are."""
    from runner.report import build, to_json, write_html, write_markdown
    from runner.run import Run

    opened = Run.open(_existing(results, run))
    data = build(opened)
    if as_json:
        _print_json(to_json(data))
        return
    typer.echo(f"{write_markdown(data, opened.folder)}\n{write_html(data, opened.folder)}")


@app.command()
def rejudge(
    gate: GateName,
    verifier: Annotated[str, typer.Option("--verifier", help="Judge with another verifier than the run's.")] = "",
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Judge a gate's stored completions again, without any model; say where verdicts differ, change nothing."""
    from gates.rejudging import rejudge as judge_again
    from gates.rejudging import write_rejudgement
    from runner import screens
    from runner.config import read_config

    folder = _existing(results, run)
    experiment, _ = read_config(folder / "config.yaml")
    found = judge_again(folder, experiment, _gate(gate), verifier)
    path = write_rejudgement(folder, found)
    if as_json:
        typer.echo(path.read_text(encoding="utf-8"))
    else:
        screens.print_rejudgement(found, path)
    if found.disagreements:
        raise typer.Exit(Exit.GATE_SAID_NO)


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
        _print_json(shown)
    else:
        typer.echo(render_difference(shown) if diff else render_config(shown))


@app.command()
def doctor(overrides: Overrides = None, results: Results = RESULTS, as_json: AsJson = False) -> None:
    """Look at this machine and the data as Gate A would, without a run and without loading the model."""
    from gates.a_environment import inspect_machine_and_data
    from runner import screens
    from runner.config import compose_experiment

    experiment, _ = compose_experiment(overrides or [])
    checks = inspect_machine_and_data(experiment, results)
    if as_json:
        _print_json([dataclasses.asdict(check) for check in checks])
    else:
        screens.print_checks(checks)
    if any(check.blocks for check in checks):
        raise typer.Exit(Exit.GATE_SAID_NO)


def main() -> int:
    """Run the command line and return its exit code; a refusal is a sentence, never a traceback."""
    try:
        code = app(standalone_mode=False)
        return int(code or 0)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except Refusal as refusal:
        _say_refusal(refusal)
        return Exit.REFUSED
    except LockHeld as held:
        _say_refusal(
            Refusal(f"This run is being advanced by {held.holder}.", "Watch it with `python -m runner status --watch`.")
        )
        return Exit.HELD
    except typer.Abort:
        return Exit.STOPPED
    except KeyboardInterrupt:
        return Exit.STOPPED
    except Exception as error:
        return _usage_error(error)


def _say_refusal(refusal: Refusal) -> None:
    from runner import screens

    screens.print_refusal(refusal)


def _usage_error(error: Exception) -> int:
    """Show a usage error of the command-line parser in its own words; anything else is a crash and is raised again."""
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show(file=sys.stderr)
    return Exit.REFUSED
