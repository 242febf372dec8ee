"""One sample verified again, in lines: the task, the program, and the stored and the new verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from eval.records import CheckResult, Verdict
    from gates.rejudging import Replay

_CHECK_MARKS = {True: ("✓", "good"), False: ("✗", "no"), None: ("·", "dim")}


def print_replay(found: Replay, stream: TextIO | None = None) -> None:
    """Write the task, the program and both verdicts."""
    write_lines(stream or sys.stdout, replay_lines(found))


def replay_lines(found: Replay) -> list[Line]:
    """Return all lines of one sample, ending with whether its verdict is unchanged."""
    sample, code = found.sample, found.candidate.code
    lines = [line((f"{sample.task_id} · {sample.arm} · sample {sample.index}", "bold"), (f"  {found.file}", "dim"))]
    lines += _indented(found.task.instruction)
    if found.task.input:
        lines += [line(("input:", "dim")), *_indented(found.task.input)]
    lines += [line(("program:" if code is not None else "no program found; raw completion:", "dim"))]
    lines += _indented(sample.completion.text if code is None else code)
    lines += [check_line(check) for check in found.verdict.checks]
    lines += [line((f"  {name}: ", "dim"), ", ".join(told), hang=4) for name, told in _told(found.verdict) if told]
    lines.append(verdict_line("stored", sample.verdict))
    lines.append(verdict_line("now", found.verdict))
    mark = ("✓ ", "good") if found.stands else ("✗ ", "no")
    return [*lines, line(mark, "the verdict is unchanged" if found.stands else "the verdict changed")]


def _indented(text: str) -> list[Line]:
    return [line(f"    {row}".replace("\t", "    "), hang=4) for row in text.rstrip("\n").split("\n")]


def check_line(check: CheckResult) -> Line:
    """Return one check with its mark and, where it failed, why."""
    mark, style = _CHECK_MARKS[check.passed]
    detail = check.detail if check.passed is False else "not reached" if check.passed is None else ""
    return line("  ", (mark, style), f" {check.name}", (f"  {detail}" if detail else "", "dim"), hang=4)


def _told(verdict: Verdict) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("registered", verdict.registered), ("calls", verdict.api_calls), ("findings", verdict.findings))


def verdict_line(when: str, verdict: Verdict) -> Line:
    """Return a verdict after a word that says which."""
    style = "good" if verdict.outcome == "PASSED" else "no"
    said = f"  {verdict.detail}" if verdict.detail else ""
    return line(
        (f"  {when}: ".ljust(11), "dim"),
        (verdict.outcome.value, style),
        said,
        (f"  ({verdict.verifier}, isolation {verdict.isolation})", "dim"),
        hang=11,
    )
