"""Tasks in lines: each with its checks, cluster, split and the verdict on its reference; and one judged program."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from env.counts import counted
from runner.screens.answers.verdicts.replaying import check_line, verdict_line
from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from gates.known_answers import JudgedProgram, ListedTask, Listing, ShownTask, TestedTasks

_RULE = "─" * 40
_BARE_SHOWN = 10


def print_tasks(listing: Listing, file: str = "", overrides: Sequence[str] = (), stream: TextIO | None = None) -> None:
    """Write every task, then what of the files was not used, then the sizes.

    Of a ``file`` of the user's own whose references pass, also the command that makes settings for it, with the
    ``overrides`` that it was read with.
    """
    lines = [row for one in listing.tasks for row in _task_lines(one)]
    for remark in listing.remarks:
        lines += [line(("! ", "odd"), f"{remark.subject}: {remark.value}", hang=2)]
        lines += [line(f"    {text}", hang=4) for text in remark.evidence]
        lines += [line(("    fix: ", "dim"), remark.fix, hang=9)]
    judge = line(("judged by ", "dim"), f"{listing.verifier}, isolation {listing.isolation}", hang=10)
    choice, why = listing.selection
    selection = line(("selection ", "dim"), f"{choice}: {why}", hang=10)
    follows = [_next_line(file, overrides)] if file and not _failing(listing) else []
    write_lines(stream or sys.stdout, [*lines, judge, _sizes(listing), selection, *follows])


def _next_line(file: str, overrides: Sequence[str]) -> Line:
    """Return the command after a look at ``file``; what only the user knows stands in capitals."""
    # datasets: a status screen must not wait for them
    from eval.datasets.own_tasks.task_entries import are_tasks

    dataset = "tasks" if are_tasks(Path(file)) else "jsonl"
    usual = ["profile=local", "model.path=FOLDER", f"dataset={dataset}", f"dataset.eval={file}", "dataset.train=TRAIN"]
    told = {override.partition("=")[0] for override in overrides}
    own = shlex.join([*(word for word in usual if word.partition("=")[0] not in told), *overrides])
    command = f"python -m runner config {own} --starter mine.yaml"
    return line(("next: ", "dim"), (command, "command"), ("   writes the settings of a run with it", "dim"), hang=6)


def _task_lines(one: ListedTask) -> list[Line]:
    task = one.task
    mod = f" · mod {task.mod_name}" if task.mod_name else ""
    where = f"  {task.split} · {task.cluster} · {task.family} {task.kind}{mod}"
    passed = one.reference.outcome == "PASSED"
    rows = [
        line((task.id, "bold"), (where, "dim"), hang=4),
        line(f"    {' '.join(task.instruction.split())}", cut=True),
        *([line(("    own system turn: ", "dim"), " ".join(task.system.split()), cut=True)] if task.system else []),
        *(line(("  · ", "dim"), check.name, hang=4) for check in task.checks),
    ]
    said = "reference passes" if passed else f"reference {one.reference.outcome}: {one.reference.detail}"
    rows.append(line(("  ✓ ", "good") if passed else ("  ✗ ", "no"), said, hang=4))
    if not one.wrong:
        rows.append(line(("  ! ", "odd"), "no wrong answer is known that these checks reject", hang=4))
    else:
        rejected = one.wrong - len(one.accepted)
        rows.append(line(("  · ", "dim"), f"{rejected} of {one.wrong} known wrong answers rejected", hang=4))
    return [*rows, *(line(("  ! ", "odd"), f"passes although {why}", hang=4) for why in one.accepted)]


def _sizes(listing: Listing) -> Line:
    tasks = [one.task for one in listing.tasks]
    parts = [
        f"{split} {counted(len(own), 'task')} in {counted(len({task.cluster for task in own}), 'cluster')}"
        for split in ("dev", "test")
        if (own := [task for task in tasks if task.split == split])
    ]
    failing = counted(_failing(listing), "failing reference")
    return line(f"{listing.name}: {counted(len(tasks), 'task')}; {', '.join(parts)}; {failing}")


def _failing(listing: Listing) -> int:
    return sum(one.reference.outcome != "PASSED" for one in listing.tasks)


def print_judged(found: JudgedProgram, stream: TextIO | None = None) -> None:
    """Write how one program fared against each check of its task."""
    rule = found.candidate.rule
    lines = [line((found.task.id, "bold"), (f"  program found as: {rule}", "dim"))]
    lines += [check_line(check) for check in found.verdict.checks]
    lines += [line("  ", ("finding: ", "dim"), finding, hang=4) for finding in found.verdict.findings]
    write_lines(stream or sys.stdout, [*lines, verdict_line("verdict", found.verdict)])


def print_validation(found: TestedTasks, stream: TextIO | None = None) -> None:
    """Write the instrument test of tasks: each verifier's faults with file, line and id, then where two disagree."""
    lines = [line(found.sizes, hang=2)]
    for one in found.tested:
        if one.validation is None:
            lines += [line(("· ", "dim"), f"{one.verifier}: not usable here: {one.unusable}", hang=2)]
            continue
        result = one.validation
        told = (
            f"{one.verifier} ({one.isolation}): {counted(result.judged, 'program')} verified, "
            f"{counted(len(result.faults), 'fault')}, {counted(len(result.skipped), 'task')} skipped"
        )
        lines += [line(("✗ ", "no") if result.faults else ("✓ ", "good"), told, hang=2)]
        lines += [line(f"    {text}", hang=4) for text in (*result.faults, *result.skipped)]
    lines += [line(("✗ ", "no"), f"disagree: {text}", hang=2) for text in found.disagreements]
    if found.bare:
        told = f"{counted(len(found.bare), 'task')} without a near miss: {', '.join(found.bare[:_BARE_SHOWN])}"
        lines += [line(("! ", "odd"), told, hang=2)]
    write_lines(stream or sys.stdout, lines)


def print_shown_task(found: ShownTask, stream: TextIO | None = None) -> None:
    """Write a task: where it stands, the prompt between two rules, and what its checks are."""
    task = found.task
    where = f"  {task.source} · {task.split} · {task.cluster} · {task.family} · answer: {task.answer}"
    lines = [
        line((task.id, "bold"), (where, "dim"), hang=4),
        line(("read by ", "dim"), f"{found.model}, {found.rendered_by}", hang=8),
        line((_RULE, "dim")),
        *(line(text) for text in found.prompt.split("\n")),
        line((_RULE, "dim")),
        *(line(("  · ", "dim"), check.name, hang=4) for check in task.checks),
        line(f"{counted(len(task.near_misses), 'near miss', 'near misses')}; difficulty {task.difficulty}"),
    ]
    write_lines(stream or sys.stdout, lines)
