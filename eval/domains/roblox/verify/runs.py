"""A job as runs of the judging program: one for each of its worlds, each as a list of texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eval.domains.roblox.studio import judging
from eval.pipeline.verifier import Job
from eval.sandbox.pool import Ending


@dataclass(frozen=True, slots=True)
class Condition:
    """Under what a program runs: how signals reach their handlers, and the seed of chance.

    Attributes:
        signals: "deferred", as new places have it, or "immediate".
    """

    signals: str = "deferred"
    seed: int = 1

    def __str__(self) -> str:
        """Return it as verdicts name it."""
        return f"{self.signals} signals, seed {self.seed}"


def arguments_of(job: Job, condition: Condition) -> Iterator[list[str]]:
    """Yield the judge's arguments for each world of ``job`` (see judge.luau).

    Raises:
        MalformedCalls: the answer of a simulated job is no document of calls.
    """
    checks = [text for check in job.checks for text in (check.name, check.lua)]
    under = [condition.signals, str(condition.seed)]
    if judging.is_simulated(job):
        for run in judging.runs(job):
            yield ["", *under, "", run.kind, run.data, *checks]
    else:
        for world in job.worlds or ("",):
            yield [job.code, *under, world, "", "", *checks]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the judging program returned; ``states`` has a (state, detail) for each check."""

    outcome: str
    detail: str
    states: tuple[tuple[str, str], ...]
    made: tuple[str, ...]
    called: tuple[str, ...]
    findings: tuple[str, ...]


def read_answer(ending: Ending) -> Answer:
    """Return a child's answer, read by the layout of judge.luau.

    Raises:
        ValueError: it has another layout.
    """
    fields = iter(ending.fields)

    def text() -> str:
        if not isinstance(field := next(fields, None), str):
            raise ValueError("no text where text should be")
        return field

    def count() -> int:
        if not isinstance(field := next(fields, None), (int, float)):
            raise ValueError("no number where a number should be")
        return int(field)

    outcome, detail = text(), text()
    states = tuple((text(), text()) for _ in range(count()))
    made, called, findings = (tuple(text() for _ in range(count())) for _ in range(3))
    return Answer(outcome, detail, states, made, called, findings)
