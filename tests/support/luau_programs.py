"""Luau programs judged in Roblox' world, in the sandbox' child: what they print, and what errors they raise."""

from __future__ import annotations

from collections.abc import Sequence

from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck, Verdict


def judged(world: World, code: str, *checks: str) -> Verdict:
    """Return the verdict on ``code`` under checks that are Luau."""
    listed = tuple(TaskCheck(f"check {at}", text) for at, text in enumerate(checks))
    return world.submit(Job(code, listed)).result()


def assert_prints(world: World, code: str, lines: Sequence[str]) -> None:
    """Fail, with the difference, where ``code`` does not print exactly ``lines`` within a minute of virtual time."""
    wanted = "\n".join(lines)
    verdict = judged(world, code, f'step(60) equal(table.concat(prints(), "\\n"), [=[\n{wanted}]=], "output")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def assert_expressions(world: World, expected: dict[str, str]) -> None:
    """Fail where an expression does not print as its text; one program holds them all."""
    code = "\n".join(f"print({expression})" for expression in expected)
    assert_prints(world, code, list(expected.values()))


def assert_errors(world: World, expected: dict[str, str]) -> None:
    """Fail where a statement does not raise the error that its text tells, behind script and line."""
    code = "\n".join(
        f'print((string.gsub(tostring(select(2, pcall(function() {statement} end))), "^[^:]+:%d+: ", "")))'
        for statement in expected
    )
    assert_prints(world, code, list(expected.values()))
