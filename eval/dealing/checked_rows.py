"""A training row with what proves its answer, and that row as a task, which the benchmark's own code can verify."""

from __future__ import annotations

from dataclasses import dataclass

from eval.records import AnswerForm, Row, Task, TaskCheck


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A training row and the executable checks that its answer passes; ``input`` unchanged must fail them.

    Attributes:
        answer: the form of its answer, as a task's.
        worlds: what is there before the answer is carried out; empty where programs run in the verifier's own world.
        difficulty: 1 (one field) to 5.
    """

    row: Row
    answer: AnswerForm
    checks: tuple[TaskCheck, ...]
    worlds: tuple[str, ...] = ()
    difficulty: int = 1


def task_of(dealt: CheckedRow, number: int, mod_name: str) -> Task:
    """Return a row as a task of ``mod_name`` ("" in a domain without mods); ``number`` makes its id unique."""
    row = dealt.row
    return Task(
        id=f"{number:04d}.{row.cluster}.{row.family}",
        family=row.family,
        kind=row.kind,
        cluster=row.cluster,
        split="dev",
        instruction=row.instruction,
        input=row.input,
        answer=dealt.answer,
        reference=row.output,
        checks=dealt.checks,
        difficulty=dealt.difficulty,
        source=row.cluster.partition(".")[0],
        mod_name=mod_name,
        worlds=dealt.worlds,
    )
