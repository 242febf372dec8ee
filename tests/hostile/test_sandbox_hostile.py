"""Hostile programs end in the right outcome, and leave the runner, the files and the machine unharmed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eval.domains.luanti.verify.vms import VMS
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, TaskCheck
from tests.hostile.programs import ALL, FORGERIES, FORGERY_CHECK, Hostile
from tests.support.luanti import open_verifier
from tests.support.settings import verifier_settings

# limits that are waited for, and hundreds of programs
pytestmark = pytest.mark.heavy

SHORT = verifier_settings(workers=2, cpu_s=0.2, timeout_s=20.0, memory_mb=32)


def children() -> set[int]:
    """Return the process ids of this process's children (all threads)."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


@pytest.fixture(scope="module", params=sorted(VMS))
def verifier(request: pytest.FixtureRequest) -> Iterator[Verifier]:
    with open_verifier(replace(SHORT, vm=request.param)) as opened:
        yield opened


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_an_attack_ends_in_the_right_outcome(verifier: Verifier, attack: Hostile) -> None:
    verdict = verifier.submit(Job(attack.code, (TaskCheck("never", 'fail("reached")'),))).result(timeout=60)
    lacking = (
        {Outcome.HARNESS_ERROR} if verifier.name.endswith("lua51") and attack.name == "goto loop" else attack.outcomes
    )
    assert verdict.outcome in lacking, verdict.detail
    assert "\n" not in verdict.detail


@pytest.mark.parametrize("attack", FORGERIES, ids=lambda attack: attack.name)
def test_a_forged_result_is_not_a_pass(verifier: Verifier, attack: Hostile) -> None:
    verdict = verifier.submit(Job(attack.code, (TaskCheck("forgery", FORGERY_CHECK),))).result(timeout=60)
    assert verdict.outcome in attack.outcomes, verdict.detail


def test_the_forgery_check_passes_for_an_honest_program(verifier: Verifier) -> None:
    honest = 'core.register_node("mymod:forged", {light_source = 7})'
    verdict = verifier.submit(Job(honest, (TaskCheck("forgery", FORGERY_CHECK),))).result(timeout=60)
    assert verdict.outcome is Outcome.PASSED


def test_attacks_leave_no_file_and_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    before = children()
    with open_verifier(SHORT) as opened:
        futures = [opened.submit(Job(attack.code)) for attack in ALL if "file" in attack.name or "os." in attack.name]
        outcomes = {future.result(timeout=60).outcome for future in futures}
        assert children() > before
    assert outcomes == {Outcome.RUNTIME_ERROR}
    assert list(tmp_path.iterdir()) == []
    assert children() == before
    assert os.getcwd() == str(tmp_path)


def test_an_honest_program_passes_after_every_attack(verifier: Verifier) -> None:
    honest = Job('core.register_node("mymod:a", {})', (TaskCheck("node", 'node("mymod:a")'),))
    pairs = [(verifier.submit(Job(attack.code)), verifier.submit(honest)) for attack in FORGERIES]
    assert {second.result(timeout=60).outcome for _, second in pairs} == {Outcome.PASSED}
