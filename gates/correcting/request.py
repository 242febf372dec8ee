"""A correction as it is asked for and as it is answered: plain records, read without loading a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal
from eval.correcting.feedback import Level
from eval.correcting.result import TurnResult
from gates import gates_that_store, stores

SCHEMA_VERSION = 1
TRAIN = "train"
ROWS_FILE = "rows.jsonl"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        gate: whose answers.
        turns: how often each may be given again; 0 reads what is stored.
        below: answers that passed are rewritten where their marks lie below; None rewrites none of them.
        level: of the feedback.
        tasks: of the training pool; 0 is as many as there are dev tasks. Other gates have their own.
    """

    gate: str
    turns: int
    below: float | None
    level: Level
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class ArmResult:
    """The rows of one arm, one for each turn from 0."""

    arm: str
    turns: tuple[TurnResult, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """The result, as report.json of its folder has it.

    Attributes:
        split: "dev", "test" or "train".
        samples: of a task, at most.
        openings: how often the test tasks were opened in the run so far; None where it is not about them.
        rows: training rows in ``rows.jsonl`` beside it; None where none may be made.
    """

    schema_version: int
    gate: str
    attempt: int
    split: str
    level: str
    below: float | None
    samples: int
    openings: int | None
    rows: int | None
    arms: tuple[ArmResult, ...]


def is_about_training(gate: str) -> bool:
    """Whether a gate's own tasks are those of training: it stores no answers to them, so they are drawn first."""
    return stores(gate, "checkpoints")


def is_about_test(gate: str) -> bool:
    """Whether a gate's own tasks are the unseen ones."""
    return stores(gate, "decision")


def folder_of(run_dir: Path, request: Request, attempt: int) -> Path:
    """Return where a correction lies: a folder for each attempt of a gate, level of feedback, threshold and pool."""
    below = "" if request.below is None else f"-below-{request.below:g}"
    pool = f"-tasks-{request.tasks}" if request.tasks else ""
    return run_dir / "repair" / f"gate_{request.gate}.{attempt}-{request.level}{below}{pool}"


def require_allowed(request: Request, wants_rows: bool = False) -> None:
    """Raise Refusal for a gate without answers, and for what only training tasks allow on tasks that measure."""
    gate = request.gate
    if is_about_training(gate):
        return
    pool = ", ".join(gates_that_store("checkpoints")).upper()
    if not stores(gate, "samples"):
        raise Refusal(
            f"Gate {gate.upper()} stores no answers to correct.",
            f"Use {', '.join(gates_that_store('samples')).upper()}, or {pool} for training tasks.",
        )
    measured = f"gate {gate.upper()} measured {'test' if is_about_test(gate) else 'dev'} tasks"
    if request.level == "checks":
        raise Refusal(
            f"--feedback checks tells a model what its tasks are checked for, and {measured}.",
            f"Use --feedback runtime, or ask about training tasks: `repair {pool}`.",
        )
    if wants_rows:
        raise Refusal(
            f"--rows makes training rows, and {measured}: what measures must not train.",
            f"Make them from training tasks: `repair {pool} --rows FILE`.",
        )
    if request.tasks:
        raise Refusal(f"--tasks sizes the training pool, and {measured}, all of them.", "Leave it out.")
