"""Stored samples on a screen: the program in colour, its verdict, the failed check, and its verifier.

A model's text is untrusted: every control character is made visible and none reaches the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, TextIO

from env.counts import counted, more_text
from runner.screens.ink import Line, Paper, foreign_lines, line, paper_of, rendered, write_text

if TYPE_CHECKING:
    from eval.pipeline.scoring import Scores
    from eval.records import CheckResult, Sample
    from runner.views.marks import SampleReading
    from runner.views.samples import FoundSamples, Labels

_INDENT = "    "
_MAX_LINES = 200


def print_samples(found: FoundSamples, matching: str = "", stream: TextIO | None = None) -> None:
    """Write what was found; ``matching`` describes the filter."""
    stream = stream or sys.stdout
    if stream is not None:
        write_text(stream, samples_text(found, matching, paper_of(stream)))


def samples_text(found: FoundSamples, matching: str, paper: Paper) -> str:
    """Return the samples as written on ``paper``: coloured where it supports colour, else plain."""
    parts = [_laid([line(("! ", "odd"), problem, hang=2) for problem in found.problems], paper)]
    for sample in found.samples:
        reading = found.readings.get((sample.arm, sample.task_id, sample.index))
        about = found.labels.get(sample.task_id)
        parts.append(_sample_text(sample, about, _asked(found, sample.task_id), reading, paper))
    return "".join([*parts, _laid([summary_line(found, matching)], paper)])


def summary_line(found: FoundSamples, matching: str) -> Line:
    """Return how many samples match, and their outcomes."""
    asked = f" with {matching}" if matching else ""
    if not found.matching:
        return line(f"no sample of gate {found.gate.upper()}{asked}, of {counted(found.stored, 'sample')} stored")
    ends = ", ".join(f"{name} {number:,}" for name, number in found.outcomes.items())
    more = "" if found.matching == len(found.samples) else "; --limit N shows more"
    return line(
        (f"{len(found.samples):,} of {counted(found.matching, 'sample')}{asked}, {found.stored:,} stored", "bold"),
        (f" ({ends}){more}", "dim"),
    )


def _asked(found: FoundSamples, task_id: str) -> tuple[str, str]:
    """Return (label, text) of what the model read: the exact prompt where it is stored, else the task; "" for none."""
    if task_id in found.prompts:
        return "prompt", found.prompts[task_id]
    task = found.tasks.get(task_id)
    return ("asked", f"{task.instruction}\n{task.input}".strip()) if task is not None else ("", "")


def _sample_text(
    sample: Sample,
    labels: Labels | None,
    asked: tuple[str, str],
    reading: SampleReading | None,
    paper: Paper,
) -> str:
    verdict, candidate = sample.verdict, sample.candidate
    text = candidate.code if candidate.code is not None else sample.completion.text
    parts = [_laid(_head(sample, labels), paper)]
    if asked[1]:
        parts.append(_foreign(*asked, paper))
    lines = [_detail("why", verdict.detail or candidate.detail)]
    lines += _check_lines(verdict.checks)
    lines += [_detail("finding", finding) for finding in (*verdict.findings, *(reading.findings if reading else ()))]
    lines += [_detail("made", ", ".join(verdict.registered))]
    lines += [_detail("calls", ", ".join(verdict.api_calls))]
    lines += [_detail("marks", _marks_text(reading.marks, reading.total) if reading is not None else "")]
    lines += [_detail("judge", f"{verdict.verifier}, isolation {verdict.isolation}, {1000 * verdict.seconds:.0f} ms")]
    lines += [_detail("drawn", _drawn(sample))]
    parts.append(_laid([item for item in lines if item.spans], paper))
    if candidate.code is None:
        parts.append(_laid([_detail("code", "no program found; raw completion:")], paper))
    return "".join([*parts, _program(text, paper, in_lua=candidate.code is not None), "\n"])


def _marks_text(scores: Scores, total: float) -> str:
    """Return 'syntax 1.00, api 0.50, bugs 0.33, quality 0.90: 0.58 in all'."""
    parts = (("syntax", scores.syntax), ("api", scores.api), ("bugs", scores.bugs), ("quality", scores.quality))
    return f"{', '.join(f'{name} {mark:.2f}' for name, mark in parts)}: {total:.2f} in all"


def _check_lines(checks: Sequence[CheckResult]) -> list[Line]:
    """Return the failed checks, each with its reason, then the names of those that passed or were not reached."""
    failed = [_detail("failed", check.name, check.detail) for check in checks if check.passed is False]
    passed = ", ".join(check.name for check in checks if check.passed)
    unreached = ", ".join(check.name for check in checks if check.passed is None)
    return [*failed, _detail("passed", passed), _detail("beyond", f"not reached: {unreached}" if unreached else "")]


def _head(sample: Sample, labels: Labels | None) -> list[Line]:
    outcome = sample.verdict.outcome.value
    about = f"{labels.family}/{labels.kind}  {labels.split}  " if labels else ""
    style = "good" if outcome == "PASSED" else "no"
    return [
        line((f"{outcome}  ", style), (f"{sample.task_id} ", "bold"), (f"#{sample.index}  {about}{sample.arm}", "dim"))
    ]


def _drawn(sample: Sample) -> str:
    ended = "cut at the token limit" if sample.completion.finish == "length" else "stopped"
    patch = f", patch matched by {sample.candidate.patch_level}" if sample.candidate.patch_level else ""
    drawn, rule = counted(sample.completion.tokens, "token"), sample.candidate.rule
    return f"{drawn}, {ended}, seed {sample.seed}, extracted as {rule}{patch}"


def _detail(label: str, text: str, remark: str = "") -> Line:
    """Return an indented 'label: text' line, or an empty one where there is no text."""
    if not text:
        return line()
    return line("  ", (f"{label}: ".ljust(9), "dim"), text, (f"  {remark}" if remark else "", "dim"), hang=11)


def _foreign(label: str, text: str, paper: Paper) -> str:
    rows = foreign_lines(text, paper)
    return "".join(f"  {(f'{label}: ' if number == 0 else '').ljust(9)}{row}\n" for number, row in enumerate(rows))


def _program(text: str, paper: Paper, in_lua: bool) -> str:
    """Return a program's lines, indented, highlighted where the paper supports colour; a very long one is cut."""
    rows = foreign_lines(text.rstrip("\n"), paper)
    shown = _highlighted(rows[:_MAX_LINES]) if paper.colour and in_lua else rows[:_MAX_LINES]
    more = more_text(len(rows) - _MAX_LINES, "lines")
    return "".join(f"{_INDENT}{row}\n" for row in (*shown, *([f"... {more}"] if more else [])))


def _highlighted(rows: Sequence[str]) -> list[str]:
    """Return the lines of a Lua or Luau program with colour codes, none of them longer or shorter than before."""
    from pygments.token import Comment, Keyword, Name, Number, String, Token  # type: ignore[import-untyped]
    from rich.console import Console
    from rich.style import Style
    from rich.syntax import ANSISyntaxTheme, Syntax

    # No red: on our screens that is a crash.
    inks = {Token: "", Comment: "dim", Keyword: "magenta", Name.Function: "bold", Number: "cyan", String: "green"}
    theme = ANSISyntaxTheme({token: Style.parse(ink) for token, ink in inks.items()})
    width = 2 * max(map(len, rows), default=0) + 2
    console = Console(file=StringIO(), force_terminal=True, color_system="standard", width=width, markup=False)
    with console.capture() as captured:
        console.print(Syntax("", "luau", theme=theme).highlight("\n".join(rows)), end="", soft_wrap=True)
    return captured.get().split("\n")[: len(rows)]


def _laid(lines: Sequence[Line], paper: Paper) -> str:
    return "".join(f"{text}\n" for text in rendered(lines, paper))
