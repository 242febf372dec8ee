"""What a model is told of its own answer: only what a user could see at once, or, in training, the failed checks too.

"runtime" holds the error text of the program itself, why a diff was rejected, and what reading the program finds. It
holds nothing of a task's checks: no name, no detail, no share of them; an error inside a check is told without its
text, since that text may quote the check. "checks" names the checks that failed: it is for the training pool alone.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Literal

from eval.domains import Domain, scorer_of
from eval.pipeline.language import Language
from eval.pipeline.scoring import Answered, scores_of
from eval.pipeline.thoughts import answer_part
from eval.records import AnswerForm, Outcome, Sample, Task, Verdict

Level = Literal["runtime", "checks"]
LEVELS: tuple[Level, ...] = ("runtime", "checks")

# Error texts carry whole tables at times; what is wrong stands at their beginning.
_SHOWN = 400
_FINDINGS_SHOWN = 8
_NOTHING_WRITTEN = "(nothing)"

# What is said of a program before any detail of it; "{}" is the error's own text.
_SAID: dict[Outcome, str] = {
    Outcome.NO_CODE: "Your answer holds no program: {}.",
    Outcome.PATCH_REJECTED: "Your diff cannot be applied: {}.",
    Outcome.SYNTAX_ERROR: "Your program does not compile: {}.",
    Outcome.RUNTIME_ERROR: "Your program stops with an error: {}.",
    Outcome.NEEDS_STUDIO: "Your program uses what is not there: {}.",
    Outcome.TIMEOUT: "Your program does not end in time.",
    Outcome.MEMORY: "Your program uses too much memory.",
    Outcome.CRASHED: "Your program ends the interpreter.",
    Outcome.WRONG: "Your program runs, but it does not do everything that was asked.",
    Outcome.PASSED: "Your program runs and does what was asked; it can be better.",
}
_LATE = "Your program loads, but it stops with an error when it is used."
_AGAIN: dict[AnswerForm, str] = {
    "code": "Write the whole corrected program.",
    "diff": "Write the whole corrected diff, against the code as it was given first.",
    "calls": "Write all of the corrected calls.",
}
# Marks that reading gives, as a model is told of them.
_MARKS = {"api": "names that exist", "bugs": "no mistakes", "quality": "nothing unused or repeated"}


def feedback(task: Task, sample: Sample, level: Level, domain: Domain) -> str:
    """Return the user's next turn after ``sample``: what was wrong, what reading finds, and what to write."""
    parts = [_said(sample.verdict), *_read(task, sample, domain)]
    if level == "checks":
        parts += _failed_checks(sample.verdict)
    return "\n".join([*parts, _AGAIN[task.answer]])


def shown_answer(sample: Sample, language: Language) -> str:
    """Return the model's own answer as its turn of the conversation: without its thoughts."""
    whole = sample.completion.text.strip()
    return answer_part(whole, language).text.strip() or whole or _NOTHING_WRITTEN


def _said(verdict: Verdict) -> str:
    text = _SAID[verdict.outcome]
    if "{}" not in text:
        return text
    # once a check has run, an error's text may quote it
    if any(check.passed is not None for check in verdict.checks):
        return _LATE
    return text.format(" ".join(verdict.detail.split())[:_SHOWN].rstrip("."))


def _read(task: Task, sample: Sample, domain: Domain) -> list[str]:
    """Return what reading the program tells, as if it had passed: nothing of the verdict's checks enters."""
    code = sample.candidate.code
    if code is None or sample.verdict.outcome is Outcome.SYNTAX_ERROR:
        return []
    scorer = scorer_of(domain)
    found = list(dict.fromkeys((*sample.verdict.findings, *scorer.findings(code))))[:_FINDINGS_SHOWN]
    lines = ["Reading it finds:", *(f"- {finding}" for finding in found)] if found else []
    marks = scores_of(
        Answered(task.input, sample.candidate, replace(sample.verdict, outcome=Outcome.PASSED, checks=())), scorer
    )
    given = asdict(marks) if marks else {}
    told = [f"{_MARKS[part]} {mark:.2f}" for part, mark in given.items() if part in _MARKS and mark < 1]
    return [*lines, f"Marks from 0 to 1: {', '.join(told)}."] if told else lines


def _failed_checks(verdict: Verdict) -> list[str]:
    failed = [check for check in verdict.checks if check.passed is False]
    if not failed:
        return []
    said = (f"- {check.name}{f': {check.detail[:_SHOWN]}' if check.detail else ''}" for check in failed)
    return ["These requirements are not met:", *said]
