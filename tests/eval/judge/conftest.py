"""A judge that asks a server of a test's own, with short patience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.judge.answers import Answer, Pair, pair
from eval.judge.judge import Judge
from eval.judge.ledger import Ledger
from eval.judge.rubric import Prompt
from eval.judge.settings import JudgeSettings
from runner.runs.config import compose_experiment
from tests.support.judge_server import JudgeServer, each, judging

PROMPT = Prompt("A good program works.", "a test's")
# Opens the judge of a server, with other settings where a test gives them.
Open = Callable[..., Judge]


def settings_for(server: JudgeServer, **more: Any) -> JudgeSettings:
    """Return the settings that conf/ gives, for a server of a test's own."""
    patient = {"timeout_s": 5.0, "retry_s": 5.0, **more}
    # conf/ is composed once, whatever the server's port
    named = compose_experiment(["judge=endpoint", "judge.url=http://127.0.0.1:1", "judge.model=judge"])[0].judge
    return replace(named, **{"url": server.url, "model": server.model, **patient})


def pairs_of(count: int) -> list[Pair]:
    """Return pairs of programs for as many tasks."""
    return [
        pair(*(Answer(f"task {number}", "", f"return {number}{tail}") for tail in ("", " -- longer")))
        for number in range(count)
    ]


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    """A judge that gives every program 6 of 10."""
    with judging(each(lambda _: 6)) as found:
        yield found


@pytest.fixture
def opened(server: JudgeServer, tmp_path: Path) -> Iterator[Open]:
    """Open judges of the test's server, one after the other, on one results folder."""
    held: list[Ledger] = []

    def open_one(prompt: Prompt = PROMPT, **more: Any) -> Judge:
        for ledger in held:
            ledger.__exit__(None, None, None)
        held[:] = [Ledger(tmp_path).__enter__()]
        return Judge(settings_for(server, **more), prompt, held[0])

    yield open_one
    for ledger in held:
        ledger.__exit__(None, None, None)
