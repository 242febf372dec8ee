"""The commands about tasks: what they check, a file to begin with, the instrument test, one task as prompted."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from env.files import refuse_device_or_pipe
from env.refusal import Refusal
from runner.cli.app import AsJson, Results, RunName, app, existing_run, print_json, say
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS

if TYPE_CHECKING:
    from gates.settings import Experiment

FileAndOverrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="Eval items or tasks, or a folder; default: the run's data."),
]
_LIST = "list"


class ListsByDefault(typer.core.TyperGroup):
    """A group whose words are those of its listing where they begin with none of its commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments with the command that is meant."""
        is_named = bool(args) and (args[0] in self.commands or args[0] in ("-h", "--help"))
        rest: list[str] = super().parse_args(ctx, args if is_named else [_LIST, *args])
        return rest


group = typer.Typer(
    cls=ListsByDefault,
    help="List tasks; write, validate or show some.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(group, name="tasks")


@group.command(name=_LIST)
def listing(
    data: FileAndOverrides = None, run: RunName = None, results: Results = RESULTS, as_json: AsJson = False
) -> None:
    """List tasks with checks, clusters, splits (default).

    References and known wrong answers are executed; no model is loaded. Ends with 3 where a reference fails.
    """
    from gates.known_answers import list_tasks
    from runner import screens

    found = list_tasks(experiment_of(data or [], run, results))
    if as_json:
        print_json(
            {
                "tasks": [one.to_json() for one in found.tasks],
                "remarks": list(map(dataclasses.asdict, found.remarks)),
                "verifier": found.verifier,
                "isolation": found.isolation,
                "selection": dict(zip(("choice", "reason"), found.selection, strict=True)),
            }
        )
    else:
        file = str(Path(data[0]).resolve()) if data and os.path.exists(data[0]) else ""
        screens.print_tasks(found, file, (data or [])[1:])
    if any(one.reference.outcome != "PASSED" for one in found.tasks):
        raise typer.Exit(Exit.GATE_SAID_NO)


@group.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Where to write it; no such file may exist.")],
    domain: Annotated[str, typer.Option("--domain", help="What programs are for: luanti or roblox.")],
) -> None:
    """Write a task file to begin with.

    Its tasks pass `tasks validate` as they are; each key is explained in it.
    """
    from env.files import write_atomic
    from eval.datasets.own_tasks.skeletons import skeleton

    text = skeleton(domain)
    if file.suffix not in (".yaml", ".yml"):
        raise Refusal(f"{file}: a task file ends in .yaml.", f"Write {file.with_suffix('.yaml')}.")
    if os.path.lexists(file):
        raise Refusal(f"{file} exists already.", "Name another file, or remove it.")
    write_atomic(file, text)
    say(f"{file} written\nnext: python -m runner tasks validate {file}")


@group.command()
def validate(
    data: FileAndOverrides = None,
    verifier: Annotated[
        list[str] | None, typer.Option("--verifier", help="One of the domain's, repeatable; default: all usable.")
    ] = None,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Test the instrument: references, near misses, constants.

    References must pass; near misses and constant answers must fail, by what they do. Ends with 3 where one does not.
    """
    from gates.known_answers import validate_tasks
    from runner import screens

    found = validate_tasks(experiment_of(data or [], run, results), verifier or [])
    if as_json:
        print_json(found.to_json())
    else:
        screens.print_validation(found)
    if found.is_wrong:
        raise typer.Exit(Exit.GATE_SAID_NO)


@group.command()
def show(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE] [ID] [KEY=VALUE]...",
            help="As for `tasks`; an id, default: the first task; a model by its keys.",
            show_default=False,
        ),
    ] = None,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show one task as the model sees it.

    The prompt is rendered by the model's own chat template; its tokenizer is read, no weight is.
    """
    from gates.known_answers import show_task
    from runner import screens

    words = list(data or [])
    place = next((n for n, word in enumerate(words) if "=" not in word and (n > 0 or not os.path.exists(word))), None)
    task_id = words.pop(place) if place is not None else ""
    found = show_task(experiment_of(words, run, results), task_id)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        screens.print_shown_task(found)


def experiment_of(data: list[str], run: str | None, results: Path) -> Experiment:
    """Return the experiment of a file and overrides, else that of the run.

    A file of tasks with checks is told by its ending, or by its first line. Where the domain has no verifier of the
    configured name and none is typed, it is the domain's first.
    """
    from eval.datasets.own_tasks.task_entries import are_tasks
    from eval.domains import domain_named
    from runner.runs.config import compose_experiment, read_older_config

    if not data:
        return read_older_config(existing_run(results, run) / "config.yaml")
    is_override = "=" in data[0] and not os.path.exists(data[0])
    file, more = ("", data) if is_override else (data[0], data[1:])
    refuse_device_or_pipe(Path(file))
    if file and not os.path.exists(file):
        raise Refusal(f"{file}: no such file.", "Give a file of eval items, or overrides such as dataset=luantibench.")
    path = Path(file).resolve()
    dataset = "tasks" if file and are_tasks(path) else "jsonl"
    # rows are not looked at: the items stand in for them
    named = [f"dataset={dataset}", f"dataset.eval={path}", f"dataset.train={path}"] if file else []
    experiment, _ = compose_experiment([*named, *more])
    domain = domain_named(experiment.dataset.domain) if experiment.dataset.domain else None
    if domain is None or experiment.verifier.name in domain.verifiers or any(w.startswith("verifier") for w in more):
        return experiment
    experiment, _ = compose_experiment([*named, f"verifier={next(iter(domain.verifiers))}", *more])
    return experiment
