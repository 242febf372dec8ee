"""What every command shares: the app itself, the arguments they have in common, and how a run is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from env.installed.invocation import as_started
from env.refusal import Refusal
from gates import GATES
from runner.runs.locations import PROJECT, RESULTS_VARIABLE, results_folder

# As `--help` lists them: first an experiment's commands, then inspection, then what is rarely needed.
ORDER = (
    *("advance", "tmux", "new", "status", "report", "samples", "compare", "runs"),
    *(
        "retry",
        "rewind",
        "rejudge",
        "replay",
        "repair",
        "tasks",
        "judge",
        "verify",
        "score",
        "ask",
        "curate",
        "data",
        "mcp",
    ),
    *("export", "publish", "promote", "rollback", "registry", "history"),
    *("config", "doctor", "notify", "lock"),
)


class InOrder(typer.core.TyperGroup):
    """The commands in the order in which a user meets them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names; one that ``ORDER`` lacks comes last."""
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="runner",
    cls=InOrder,
    help="luagate: does this LoRA adapter really make the model better at Lua?",
    no_args_is_help=True,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    Path,
    typer.Option(
        "--results",
        envvar=RESULTS_VARIABLE,
        parser=results_folder,
        metavar="FOLDER",
        help="The folder that holds the runs.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="A profile of your own, wherever it is.", show_default=False),
]
Like = Annotated[
    str | None, typer.Option("--like", metavar="RUN", help="The run to begin with; default: the current one.")
]
FromDefaults = Annotated[bool, typer.Option("--from-defaults", help="Begin with conf/'s defaults, not with a run.")]
GateName = Annotated[str, typer.Argument(metavar="GATE", help="A, B, C, D or E.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def gate_letter(name: str) -> str:
    """Return the gate's lower-case letter. Raises Refusal on any other word."""
    letter = name.lower()
    if letter not in GATES:
        raise Refusal(f'"{name}" is not a gate.', f"Gates: {', '.join(GATES).upper()}.")
    return letter


def with_file(overrides: list[str] | None, config: Path | None) -> list[str]:
    """Return the overrides, with the profile that ``--config`` names. Raises Refusal where another is named too."""
    from runner.runs.overrides import profile_override, split

    words = overrides or []
    if config is None:
        return words
    if any(split(text).key == "profile" for text in words):
        raise Refusal("Two profiles are named: by --config, and by profile=.", "Name one of them.")
    return [profile_override(config), *words]


def existing_run(results: Path, name: str | None) -> Path:
    """Return a run's folder, the current run's by default. Raises Refusal when there is none."""
    from runner.runs.folder import find_run

    folder = find_run(results, name)
    if folder is None:
        raise Refusal(f"There is no run in {results}.", "Start one with `python -m runner advance`.")
    return folder


def say(text: str, err: bool = False) -> None:
    """Print text on standard output, its commands as this program was started."""
    typer.echo(as_started(text), err=err)


def print_json(data: Any) -> None:
    """Print data as JSON on standard output."""
    say(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from env.installed.version import VERSION
        from env.machine.source import source

        found = source(PROJECT)
        typer.echo(f"luagate {VERSION}" + (f" (git {found})" if found.commit else ""))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself; each ends it."""
