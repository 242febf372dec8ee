"""The commands of an LLM judge, which grades programs that execution passed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from env.refusal import Refusal
from runner.cli.app import AsJson, Overrides, Results, RunName, app, existing_run, print_json
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS

if TYPE_CHECKING:
    from eval.judge.budget import Estimate
    from eval.judge.ledger import Spent
    from gates.settings import Experiment

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would ask for and cost; ask nothing.")]
# What `judge` with a task and a file is short for.
_PROGRAM = "program"


class _Judges(typer.core.TyperGroup):
    """The commands of `judge`; other words are a task and a program."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args and args[0] in self.commands else [_PROGRAM, *args])


judge_app = typer.Typer(
    cls=_Judges,
    no_args_is_help=True,
    rich_markup_mode=None,
    # an option before the task belongs to the command that the task stands for
    context_settings={"help_option_names": ["-h", "--help"], "ignore_unknown_options": True},
)
app.add_typer(judge_app, name="judge", help="Judge a program; calibrate and use an LLM judge.")


@judge_app.command()
def calibrate(
    overrides: Overrides = None,
    dry_run: DryRun = False,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Hold an LLM judge's grades against execution.

    Of training tasks alone. Ends with 3 where the judge is not admitted, or its budget is used up.
    """
    from gates.judging.calibrating import calibrate as held_against_execution
    from gates.judging.calibrating import calibration_needs
    from runner import screens

    experiment = _experiment(results, run, overrides or [])
    if dry_run:
        _say_needs(*calibration_needs(experiment, results), experiment, as_json)
        return
    with _budgeted():
        found = held_against_execution(experiment, results, _announced(experiment))
    if as_json:
        calibration = dataclasses.replace(found.calibration, evidence=())
        print_json({"admitted": calibration.admitted, **dataclasses.asdict(calibration), "file": str(found.path)})
    else:
        screens.print_calibrated(found, experiment.judge)
    if not found.calibration.admitted:
        raise typer.Exit(Exit.GATE_SAID_NO)


@judge_app.command()
def score(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] [KEY=VALUE]...", help="A decided run, as --run names it.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Grade a decided run's passed answers by an LLM.

    Base beside adapter, on the tasks that both passed; the report shows it. It decides nothing.
    """
    from gates.judging.paired import score_needs, score_run
    from runner import screens

    names = [word for word in words or [] if "=" not in word]
    if len(names) + (run is not None) > 1:
        raise Refusal("Several runs are named.", "Name one: `judge score RUN`.")
    folder = existing_run(results, names[0] if names else run)
    experiment = _experiment(results, folder.name, [word for word in words or [] if "=" in word])
    if dry_run:
        _say_needs(*score_needs(folder, experiment), experiment, as_json)
        return
    with _budgeted():
        found = score_run(folder, experiment, _announced(experiment))
    if as_json:
        kept = dataclasses.replace(found.quality, calibration=None)
        print_json({**dataclasses.asdict(kept), "file": str(found.path)})
    else:
        screens.print_quality(found, experiment.judge)


def _experiment(results: Path, name: str | None, overrides: list[str]) -> Experiment:
    """Return the experiment of a run with overrides on top; without any run that of the defaults. Nothing is stored."""
    from runner.changing.edits import overridden
    from runner.runs.config import compose_experiment, validate
    from runner.runs.folder import Run, find_run
    from runner.runs.plain_config import read_plain

    folder = find_run(results, name)
    if folder is None:
        return compose_experiment(overrides)[0]
    run = Run.open(folder)
    return validate(overridden(run, read_plain(run.file("config.yaml")), overrides)[1])


def _say_needs(needs: Estimate, spent: Spent, experiment: Experiment, as_json: bool) -> None:
    from runner import screens

    if as_json:
        print_json({"needs": dataclasses.asdict(needs), "spent": dataclasses.asdict(spent)})
    else:
        screens.print_needs(needs, spent, experiment.judge)


def _announced(experiment: Experiment) -> Any:
    from runner import screens

    return lambda needs, spent: screens.print_needs(needs, spent, experiment.judge, sys.stderr)


@contextmanager
def _budgeted() -> Iterator[None]:
    """End with 3, in a sentence, where the budget is used up on the way: the limit says no."""
    from eval.judge.budget import BudgetReached
    from runner import screens

    try:
        yield
    except BudgetReached as reached:
        screens.print_refusal(Refusal(str(reached), reached.fix))
        raise typer.Exit(Exit.GATE_SAID_NO) from None
