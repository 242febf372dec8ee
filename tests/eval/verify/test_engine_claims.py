"""What the engine and its builtin both do: accept, refuse, behave and withstand as one, and agree with every reference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, TaskCheck
from tests.hostile.programs import ALL, FORGERIES, FORGERY_CHECK, Hostile
from tests.support.engine_claims import (
    ACCEPTED,
    BEHAVIOURS,
    IN_TIME,
    NEEDS_BUILTIN,
    NEEDS_ENGINE,
    OUT_OF_TIME,
    REFUSED,
    Judge,
    disagreements,
    judging,
    mini_tasks,
)
from tests.support.luanti import open_verifier, read_bench
from tests.support.settings import verifier_settings

# limits that are waited for, and hundreds of programs
pytestmark = pytest.mark.heavy

ALL_THREE = [
    pytest.param("engine", marks=NEEDS_ENGINE),
    pytest.param("builtin", marks=NEEDS_BUILTIN),
    pytest.param("recorder"),
]
BOTH = [pytest.param("engine", marks=NEEDS_ENGINE), pytest.param("builtin", marks=NEEDS_BUILTIN)]
# The engine serializes a table that holds itself; the recorder refuses it. The check after it fails either way.
ENGINE_DIFFERS = {"cyclic data to serialize"}


@pytest.fixture(scope="module", params=BOTH)
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with judging(request.param) as run:
        yield run


@pytest.fixture(scope="module", params=ALL_THREE)
def each(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with judging(request.param) as run:
        yield run


@pytest.fixture(scope="module", params=BOTH)
def verifier(request: pytest.FixtureRequest) -> Iterator[Verifier]:
    # what counts in a server is its start too
    cpu_s = 0.5 if request.param == "engine" else 0.2
    short = verifier_settings(name=request.param, workers=2, cpu_s=cpu_s, timeout_s=20.0, memory_mb=32)
    with open_verifier(short) as opened:
        yield opened


@pytest.mark.parametrize("code", ACCEPTED)
def test_what_the_engine_accepts_passes(judge: Judge, code: str) -> None:
    assert judge(code).outcome is Outcome.PASSED


@pytest.mark.parametrize(("code", "why"), REFUSED)
def test_what_the_engine_refuses_does_not_load(judge: Judge, code: str, why: str) -> None:
    verdict = judge(code, 'fail("reached")')
    assert verdict.outcome in (Outcome.RUNTIME_ERROR, Outcome.SYNTAX_ERROR)
    assert why in verdict.detail
    assert [check.passed for check in verdict.checks] == [None]


@pytest.mark.parametrize("code", OUT_OF_TIME)
def test_what_comes_too_early_or_too_late_is_an_error(each: Judge, code: str) -> None:
    verdict = each(code, 'fail("reached")')
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert [check.passed for check in verdict.checks] == [None]


@pytest.mark.parametrize("code", IN_TIME)
def test_what_comes_in_time_passes(each: Judge, code: str) -> None:
    verdict = each(code)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_engines_behaviour_reaches_the_checks(judge: Judge, name: str) -> None:
    verdict = judge(*BEHAVIOURS[name])
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_an_attack_ends_in_the_right_outcome(verifier: Verifier, attack: Hostile) -> None:
    verdict = verifier.submit(Job(attack.code, (TaskCheck("never", 'fail("reached")'),))).result(timeout=120)
    allowed = attack.outcomes | ({Outcome.WRONG} if attack.name in ENGINE_DIFFERS else set())
    assert verdict.outcome in allowed, verdict.detail


@pytest.mark.parametrize("attack", FORGERIES, ids=lambda attack: attack.name)
def test_a_forged_result_is_not_a_pass(verifier: Verifier, attack: Hostile) -> None:
    verdict = verifier.submit(Job(attack.code, (TaskCheck("forgery", FORGERY_CHECK),))).result(timeout=120)
    assert verdict.outcome in attack.outcomes, verdict.detail


def test_generated_references_pass_and_near_misses_fail(verifier: Verifier) -> None:
    assert disagreements(mini_tasks(60 if verifier.name.startswith("builtin") else 20), verifier) == []


@pytest.mark.heavy
@pytest.mark.parametrize("name", BOTH[1:])  # an engine takes minutes: test_engine_versions.py
def test_the_benchmarks_references_pass_and_near_misses_fail(name: str) -> None:
    with open_verifier(verifier_settings(name=name, workers=2)) as opened:
        assert disagreements(read_bench(), opened) == []
