"""Answers made to hold up the reading beside verdicts, which happens in this process, are read within a moment."""

from __future__ import annotations

import time

import pytest

from eval.domains.roblox.scorers.reading import read_answer

SIZE = 100_000
LONGEST_S = 3.0
TEXTS = {
    "a line of dashes": "-" * SIZE,
    "a header of spaces": "-- file: a" + " " * SIZE + "b",
    "a comment of comments": "-- file: x " * (SIZE // 11),
    "headers without files": "-- file: \n" * (SIZE // 10),
    "many files": "".join(f"-- file: Workspace/A{at}.server.luau\nlocal x = game.Foo\n" for at in range(5000)),
    "large files": "".join(f"-- file: Workspace/A{at}.luau\n" + "local p = p\n" * 8000 for at in range(10)),
    "lines of spaces": " " * SIZE + "x",
    "one statement again and again": "a.b.c.d = 1 " * (SIZE // 12),
    "connections": "a.Touched:Connect(function() end) " * (SIZE // 34),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_answer_is_read_within_a_moment(text: str) -> None:
    started = time.process_time()
    assert len(read_answer(text).sentences) <= 50
    assert time.process_time() - started < LONGEST_S


def test_half_of_a_sign_in_a_call_leaves_findings_that_can_be_written() -> None:
    read = read_answer('{"calls": [{"arguments": {"className": "\\ud800"}}]}')
    assert "".join(read.sentences).encode("utf-8")
    assert read.findings["api"] == 1
