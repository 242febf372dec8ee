"""Killed at any gate and advanced again, a run ends with the numbers of an undisturbed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs import (
    SMOKE,
    events,
    is_alive,
    kill_group,
    only_run,
    pulse,
    results_of,
    runner,
    start,
    wait_until,
)

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("undisturbed")
    done = runner("advance", *SMOKE, results=results)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return only_run(results)


def in_gate(folder: Path, gate: str, phase: str, done: int = 0) -> Callable[[], bool]:
    def reached() -> bool:
        beat = pulse(folder)
        return beat.get("gate") == gate and beat.get("phase") == phase and beat.get("done", -1) >= done

    return reached


# Where each gate is hit: in the middle of its own work.
MOMENTS = [("a", "data", 0), ("b", "sampling", 30), ("c", "training", 4), ("d", "sampling", 60), ("e", "sampling", 30)]


def test_kill_9_in_the_middle_of_every_gate_changes_no_number(undisturbed: Path, tmp_path: Path) -> None:
    runner("new", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    for gate, phase, done in MOMENTS:
        process = start("advance", results=tmp_path)
        wait_until(in_gate(folder, gate, phase, done), f"gate {gate}: {phase} {done}", process)
        worker = pulse(folder)["pid"]
        kill_group(process)
        wait_until(lambda pid=worker: not is_alive(pid), "the orphaned worker dies")
        assert [e["type"] for e in events(folder) if e["gate"] == gate][-1] == "gate_started"
        status = runner("status", results=tmp_path)
        assert "interrupted" in status.stdout
    last = runner("advance", results=tmp_path)
    assert last.returncode in (0, 3), last.stdout + last.stderr
    assert results_of(folder) == results_of(undisturbed)
    starts = [e["gate"] for e in events(folder) if e["type"] == "gate_started"]
    assert {gate: starts.count(gate) for gate in "abcde"} == dict.fromkeys("abcde", 2)


def test_a_resumed_gate_keeps_the_samples_it_had(tmp_path: Path) -> None:
    runner("new", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    process = start("advance", results=tmp_path)
    wait_until(in_gate(folder, "b", "sampling", 30), "some samples", process)
    kill_group(process)
    stored = (folder / "gate_b" / "samples.jsonl").read_bytes()
    complete = stored[: stored.rfind(b"\n") + 1]
    done = runner("advance", "--to", "B", results=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # byte for byte: what was stored was neither drawn nor judged again
    assert (folder / "gate_b" / "samples.jsonl").read_bytes().startswith(complete)
    assert complete.count(b"\n") >= 30
