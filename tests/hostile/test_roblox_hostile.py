"""Hostile Luau programs end in the right outcome: no escape, no crash, no lost verdict, no false pass.

In `make test-full` under both implementations of the VM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from eval.domains import domain_named, open_verifier
from eval.pipeline.verifier import Job, Verifier, VerifierSettings
from eval.records import Outcome, TaskCheck, Verdict
from tests.hostile.roblox_bombs import PARSER_BOMBS
from tests.support.luau_web import needs_luau_web
from tests.support.settings import verifier_settings

# limits that are waited for, and hundreds of programs
pytestmark = pytest.mark.heavy

SHORT = verifier_settings(name="world", workers=2, cpu_s=0.2, timeout_s=20.0, memory_mb=48)
IMPLEMENTATIONS = ("world", pytest.param("world_web", marks=(pytest.mark.slow, needs_luau_web)))
PROGRAMS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("roblox_programs.yaml").read_text(encoding="utf-8")
)
SPENT = ("TIMEOUT", "MEMORY", "RUNTIME_ERROR")
ENDS = {
    "loops": ("TIMEOUT",),
    "bombs": SPENT,
    "deep": SPENT,
    "odd_errors": ("RUNTIME_ERROR",),
    "escapes": ("PASSED", "RUNTIME_ERROR"),
    "forgeries": ("WRONG",),
    "called": ("WRONG",),
}
NOT_ESCAPED = TaskCheck("not escaped", 'equal(workspace:GetAttribute("Escaped"), nil, "Escaped")')
SUM = TaskCheck(
    "sum",
    'local sums = module()\nlocal first = sums.sum(2, 3)\nequal(first, 5, "sum")\n'
    'raises(sums.sum, nil, 1)\nequal(sums.sum(1, 1), 2, "sum")',
)
HONEST = """
local Players = game:GetService("Players")
local prize = Instance.new("Part")
prize.Name = "Prize"
prize.Size = Vector3.new(1, 2, 3)
prize.Parent = workspace
prize.Touched:Connect(function(hit)
    local player = Players:GetPlayerFromCharacter(hit.Parent)
    if player then
        player:SetAttribute("Won", 7)
    end
end)
"""
PRIZE = TaskCheck(
    "prize",
    'local part = get("Workspace/Prize")\nexpect(part:IsA("Part"), "a part")\n'
    'equal(part.Size, Vector3.new(1, 2, 3), "Size")\n'
    'local ann = join("Ann")\nequal(ann:GetAttribute("Won"), nil, "Won before")\n'
    'touch(ann, part)\nequal(ann:GetAttribute("Won"), 7, "Won")',
)


def cases(*groups: str) -> list[Any]:
    """Return each program of ``groups`` with the outcomes it may end in, named by group and program."""
    return [
        pytest.param(group, item["code"], tuple(item.get("ends", ENDS[group])), id=f"{group}: {item['name']}")
        for group in groups
        for item in PROGRAMS[group]
    ]


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def settings(request: pytest.FixtureRequest) -> VerifierSettings:
    # Node's own start-up of a module counts
    return replace(SHORT, name=request.param, cpu_s=SHORT.cpu_s if request.param == "world" else 0.3)


@pytest.fixture(scope="module")
def verifier(settings: VerifierSettings) -> Iterator[Verifier]:
    with open_verifier(domain_named("roblox"), settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def verdicts(verifier: Verifier, settings: VerifierSettings) -> Iterator[Mapping[tuple[str, str], Future[Verdict]]]:
    """Every program of every group, all of them queued at once: most of their time is one CPU's.

    What never ends takes all the CPU time that it may: that is little.
    """
    checks = {"forgeries": (PRIZE,), "texts": (PRIZE,), "escapes": (NOT_ESCAPED,), "called": (SUM,)}
    programs = [(group, item["code"]) for group, items in PROGRAMS.items() for item in items]
    programs += [("texts", code) for code in PARSER_BOMBS.values()]
    with open_verifier(domain_named("roblox"), replace(settings, cpu_s=settings.cpu_s / 2)) as hasty:
        yield {
            (group, code): (hasty if group == "loops" else verifier).submit(Job(code, checks.get(group, ())))
            for group, code in programs
        }


Verdicts = Mapping[tuple[str, str], Future[Verdict]]


@pytest.mark.parametrize(("group", "code", "ends"), cases("loops", "bombs", "deep", "odd_errors"))
def test_an_attack_ends_in_the_right_outcome(verdicts: Verdicts, group: str, code: str, ends: tuple[str, ...]) -> None:
    verdict = verdicts[group, code].result(timeout=120)
    assert verdict.outcome in ends, verdict.detail
    assert "\n" not in verdict.detail


@pytest.mark.parametrize(("group", "code", "ends"), cases("escapes"))
def test_nothing_beyond_the_engine_is_in_reach(
    verdicts: Verdicts, group: str, code: str, ends: tuple[str, ...]
) -> None:
    verdict = verdicts[group, code].result(timeout=120)
    assert verdict.outcome in ends, verdict.detail


@pytest.mark.parametrize(("group", "code", "ends"), cases("forgeries", "called"))
def test_a_forged_result_is_not_a_pass(verdicts: Verdicts, group: str, code: str, ends: tuple[str, ...]) -> None:
    verdict = verdicts[group, code].result(timeout=120)
    assert verdict.outcome in ends, verdict.detail


def test_the_honest_module_passes_the_check_that_calls_it(verifier: Verifier) -> None:
    honest = Job("return { sum = function(a, b) return a + b end }", (SUM,))
    assert verifier.submit(honest).result(timeout=60).outcome is Outcome.PASSED


def test_a_function_that_is_not_there_does_not_raise(verifier: Verifier) -> None:
    lacking = Job("return {}", (TaskCheck("raises", "raises(module().sum, 1)"),))
    assert verifier.submit(lacking).result(timeout=60).outcome is Outcome.WRONG


@pytest.mark.parametrize("code", PARSER_BOMBS.values(), ids=PARSER_BOMBS)
def test_a_text_that_is_an_attack_ends_in_a_verdict_and_never_passes(verdicts: Verdicts, code: str) -> None:
    verdict = verdicts["texts", code].result(timeout=120)
    assert verdict.outcome not in (Outcome.PASSED, Outcome.HARNESS_ERROR, Outcome.CRASHED), verdict.detail


@pytest.mark.parametrize("text", ["--[[\n" * 20_000, "-- file: a" + " " * 200_000 + "b\nx = = 1"])
def test_a_long_text_that_does_not_compile_is_no_timeout(verifier: Verifier, text: str) -> None:
    assert verifier.submit(Job(text)).result(timeout=60).outcome is Outcome.SYNTAX_ERROR


def test_the_honest_program_passes_before_and_after_every_forgery(verifier: Verifier) -> None:
    honest = Job(HONEST, (PRIZE,))
    pairs = [(verifier.submit(Job(item["code"], (PRIZE,))), verifier.submit(honest)) for item in PROGRAMS["forgeries"]]
    assert {second.result(timeout=60).outcome for _, second in pairs} == {Outcome.PASSED}
    assert len(pairs) + sum(map(len, PROGRAMS.values())) >= 170
