"""The commands about this machine: what Gate A would find, and the versions it runs."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.counts import counted
from runner.cli.app import (
    AsJson,
    ConfigFile,
    FromDefaults,
    Overrides,
    Results,
    RunName,
    app,
    print_json,
    say,
    with_file,
)
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS, usual_results
from training.backends import BACKENDS

LOCKS = dict.fromkeys(lock for backend in BACKENDS.values() for lock in backend.locks)

if TYPE_CHECKING:
    from env.checks import Check


@app.command()
def doctor(
    overrides: Overrides = None,
    config: ConfigFile = None,
    run: RunName = None,
    from_defaults: FromDefaults = False,
    results: Results = RESULTS,
    model: Annotated[
        bool, typer.Option("--model", help="Load the model too: one training step, one adapter, one sample.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check machine, data and model without running a gate.

    For the current run, or with overrides for the run that `new` would create.
    """
    from env.silence import turn_to
    from gates.a_environment.gate import inspect
    from runner import screens
    from runner.changing.config_lookup import shown_config
    from runner.runs.config import validate
    from runner.runs.folder import find_run

    words = with_file(overrides, config)
    experiment = validate(shown_config(results, run, words, from_defaults))

    def on_part(part: str) -> None:
        turn_to(f"checking {part}")
        if not as_json:
            screens.announce_part(part)

    checks: list[Check] = []
    try:
        for seen in inspect(experiment, results, with_model=model, on_part=on_part):
            checks = seen
    finally:  # also when a part is refused: what was found before is printed
        if as_json:
            print_json([dataclasses.asdict(check) for check in checks])
        else:
            screens.print_checks(checks)
    if not as_json:
        looked_at = find_run(results, run)
        begin = "new" if looked_at is not None and (words or from_defaults) else _continues(looked_at)
        makes_run = begin == "new" and model and not any(check.blocks for check in checks)
        flags = _flags({"--like" if makes_run else "--run": run, "--config": config}, results)
        flags += ["--from-defaults"] if from_defaults and looked_at is not None else []
        screens.print_next_look([*flags, *(overrides or [])], checks, with_model=model, begin=begin)
    if any(check.blocks for check in checks):
        raise typer.Exit(Exit.GATE_SAID_NO)


def _continues(folder: Path | None) -> str:
    """Return the command that starts a run, or that comes next for the one in ``folder``."""
    from env.locking import holder
    from runner.runs.folder import Run
    from runner.views.run_view import next_verb

    return "advance" if folder is None else next_verb(Run.open(folder), holder(folder / "run.lock") is not None)


def _flags(named: Mapping[str, str | Path | None], results: Path) -> list[str]:
    """Return the options that say whose settings were looked at, as they were typed."""
    options = {"--results": None if results == usual_results() else results, **named}
    return [word for option, value in options.items() if value is not None for word in (option, str(value))]


@app.command()
def notify() -> None:
    """Tell a test notice to everybody whom conf/notify.yaml names.

    Ends with 1 where somebody could not be told, with 3 where it names nobody.
    """
    from runner.advance.notifying import Notice, channel_names, read_settings, tell

    settings = read_settings()
    names = channel_names(settings)
    if not names:
        say("conf/notify.yaml names nobody: docs/notifications.md says how")
        raise typer.Exit(Exit.GATE_SAID_NO)
    failed = tell(Notice("finished", "a test", "", "this is a test: no run has ended"), settings)
    for sentence in failed:
        say(sentence, err=True)
    say(f"told {len(names) - len(failed)} of {len(names)}: {', '.join(names)}")
    if failed:
        raise typer.Exit(Exit.CRASHED)


@app.command()
def lock(
    against: Annotated[
        str, typer.Option("--against", help=f"A lock of the project ({', '.join(LOCKS)}), or a file.")
    ] = "core",
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write this environment's versions into a new file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare installed packages with a lock file.

    With --write, write a lock file from this environment instead.
    """
    from env.pins import compare, find_lock, installed_versions, read_pins, write_lock
    from runner.screens.answers.locks import lock_header, print_lock_comparison

    installed = installed_versions()
    if write is not None:
        count = write_lock(write, installed, lock_header(write))
        say(f"{counted(count, 'version')} written to {write}\nnext: pip install -c {shlex.quote(str(write))} -e .[dev]")
        return
    path = find_lock(against)
    found = compare(read_pins(path), installed)
    if as_json:
        print_json({"lock": str(path), **dataclasses.asdict(found)})
    else:
        print_lock_comparison(path, found)
    if found.changed:
        raise typer.Exit(Exit.GATE_SAID_NO)
