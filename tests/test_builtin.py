"""The builtin verifier: the installed engine's own Lua judges as the engine does, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from engine_claims import ACCEPTED, BEHAVIOURS, NODE, REFUSED, Judge, disagreements, judging, mini_tasks
from hostile.programs import ALL, FORGERIES, FORGERY_CHECK, Hostile

from env.refusal import Refusal
from eval.luantibench.reading import read_bench
from eval.records import Outcome, TaskCheck
from eval.verify import Job, Verifier, VerifierSettings, open_verifier
from eval.verify.automatic import choose
from eval.verify.builtin import verifier as builtin
from eval.verify.engine.installation import Installation, find_installation

MARKS = (
    pytest.mark.debian,
    pytest.mark.xdist_group("builtin"),
    pytest.mark.skipif(
        not find_installation().builtin, reason="the engine's Lua is not installed (luanti-data or minetest-data)"
    ),
)


def installed(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that reads the installed engine's files."""
    for mark in MARKS:
        test = mark(test)
    return test


SHORT = VerifierSettings(name="builtin", workers=2, cpu_s=0.5, timeout_s=20.0, memory_mb=32)
# builtin serializes a table that holds itself; the recorder refuses it. The check after it fails either way.
ENGINE_DIFFERS = {"cyclic data to serialize"}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging("builtin") as run:
        yield run


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with open_verifier(SHORT) as opened:
        yield opened


@installed
@pytest.mark.parametrize("code", ACCEPTED)
def test_what_the_engine_accepts_passes(judge: Judge, code: str) -> None:
    assert judge(code).outcome is Outcome.PASSED


@installed
@pytest.mark.parametrize(("code", "why"), REFUSED)
def test_what_the_engine_refuses_does_not_load(judge: Judge, code: str, why: str) -> None:
    verdict = judge(code, 'fail("reached")')
    assert verdict.outcome in (Outcome.RUNTIME_ERROR, Outcome.SYNTAX_ERROR)
    assert why in verdict.detail


@installed
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_builtins_behaviour_reaches_the_checks(judge: Judge, name: str) -> None:
    verdict = judge(*BEHAVIOURS[name])
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@installed
def test_the_verdict_names_the_installed_version(judge: Judge) -> None:
    verdict = judge(NODE % "", 'fail("x")')
    assert verdict.verifier.startswith("builtin/")
    assert verdict.detail == "c1: x"


@installed
@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_an_attack_ends_in_the_right_outcome(verifier: Verifier, attack: Hostile) -> None:
    verdict = verifier.submit(Job(attack.code, (TaskCheck("never", 'fail("reached")'),))).result(timeout=120)
    allowed = attack.outcomes | ({Outcome.WRONG} if attack.name in ENGINE_DIFFERS else set())
    assert verdict.outcome in allowed, verdict.detail


@installed
@pytest.mark.parametrize("attack", FORGERIES, ids=lambda attack: attack.name)
def test_a_forged_result_is_not_a_pass(verifier: Verifier, attack: Hostile) -> None:
    verdict = verifier.submit(Job(attack.code, (TaskCheck("forgery", FORGERY_CHECK),))).result(timeout=120)
    assert verdict.outcome in attack.outcomes, verdict.detail


@installed
def test_generated_references_pass_and_near_misses_fail(verifier: Verifier) -> None:
    assert disagreements(mini_tasks(60), verifier) == []


@installed
def test_the_benchmarks_references_pass_and_near_misses_fail() -> None:
    with open_verifier(VerifierSettings(name="builtin", workers=2)) as opened:
        assert disagreements(read_bench(), opened) == []


# ---------------------------------------- what needs no engine
def test_without_its_files_builtin_is_refused_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "find_installation", lambda: Installation("", ""))
    with pytest.raises(Refusal, match="minetest-server"):
        open_verifier(VerifierSettings(name="builtin", workers=1))


@pytest.mark.parametrize(
    ("server", "folder", "name"),
    [("/s", "/b", "engine"), ("/s", "", "engine"), ("", "/b", "builtin"), ("", "", "recorder")],
)
def test_auto_takes_the_most_faithful_verifier_that_is_installed(server: str, folder: str, name: str) -> None:
    chosen, reason = choose(Installation(server, folder))
    assert chosen == name
    assert "engine" in reason


def test_auto_says_what_it_chose_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.verify.automatic.find_installation", lambda: Installation("", ""))
    with open_verifier(VerifierSettings(name="auto", workers=1)) as opened:
        assert opened.choice == "recorder: the engine is not installed"
        assert opened.name.startswith("recorder/")
