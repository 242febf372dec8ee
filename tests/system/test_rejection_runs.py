"""Real runs with rejection sampling: killed in every phase, and with another rule of what is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.comparison import differing_bytes
from tests.faults.order import HOOK, ORDER_VARIABLE, Act, Order, Point
from tests.support.runs import DEADLINE_S, PROJECT, SMOKE, events, only_run, runner, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("rejection")]

SMALL = (
    *SMOKE, "gate/c=rft", "gate.c.rft.drawer_steps=20", "gate.c.rft.samples=2", "dataset.rows=16",
    "gate.c.train.max_steps=4", "gate.c.train.checkpoint_every=2", "gate.c.rft.max_all_pass_pct=100",
    "sampling.samples_per_call=8", "dataset.test_tasks=6", "dataset.dev_tasks=6",
)  # fmt: skip
# In the middle of drawing, before what is kept is stored, behind a checkpoint of the round, inside a control arm.
KILLS = (
    Point("worker", "write", "gate_c/rounds/1/draws.jsonl", 2),
    Point("worker", "write", "gate_c/rounds/1/selected.jsonl~"),
    Point("worker", "write", "gate_c/rounds/1/metrics.jsonl", 3),
    Point("worker", "write", "gate_c/rounds/1/controls/unjudged/metrics.jsonl"),
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder whose run stands before Gate C."""
    results = tmp_path_factory.mktemp("begun")
    runner("advance", *SMALL, "--to", "B", results=results, check=True)
    return results


@pytest.fixture(scope="module")
def undisturbed(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    shutil.copytree(begun, results)
    done = runner("advance", "--to", "C", results=results)
    assert done.returncode == 0, done.stdout + done.stderr
    return results


def test_killed_in_every_phase_a_run_ends_with_the_same_rows_and_adapter_bytes(
    begun: Path, undisturbed: Path, tmp_path: Path
) -> None:
    results = tmp_path / "killed"
    shutil.copytree(begun, results)
    for number, point in enumerate(KILLS):
        fired = tmp_path / f"fired{number}"
        order = Order(point, Act.KILL_AFTER, results, fired, tmp_path / "disk")
        path = os.pathsep.join((str(HOOK), str(PROJECT)))
        struck = start(
            "advance", "--to", "C", results=results, more={"PYTHONPATH": path, ORDER_VARIABLE: order.to_text()}
        )
        said = struck.communicate(timeout=DEADLINE_S)[0]
        assert struck.returncode == -signal.SIGKILL, said
        assert fired.exists()
    done = runner("advance", "--to", "C", results=results)
    assert done.returncode == 0, done.stdout + done.stderr
    assert differing_bytes(only_run(results), only_run(undisturbed)) == {}
    kept = (only_run(results) / "gate_c/rounds/1/selected.jsonl").read_text(encoding="utf-8").splitlines()
    assert kept, "something was selected, or nothing was shown"


def test_another_rule_of_what_is_kept_trains_again_and_draws_nothing(undisturbed: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(undisturbed, results)
    run = only_run(results)
    before = (run / "gate_c/rounds/1/draws.jsonl").read_bytes()
    kept = len((run / "gate_c/rounds/1/selected.jsonl").read_bytes().splitlines())
    other = ("gate.c.rft.keep=all_distinct", "gate.c.rft.keep_per_task=2")
    runner("rewind", "C", *other, results=results, check=True)
    done = runner("advance", "--to", "C", results=results)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (run / "attempts/gate_c.1/rounds/1/draws.jsonl").read_bytes() == before
    assert (run / "gate_c/rounds/1/draws.jsonl").read_bytes() == before
    assert "was drawn before" in (run / "logs/gate_c.log").read_text(encoding="utf-8")
    assert "drawing  round 1  0/" not in done.stdout
    report = json.loads((run / "gate_c/report.json").read_text(encoding="utf-8"))
    assert report["results"]["rounds"][0]["kept"] >= kept
    assert [event["gate"] for event in events(run) if event["type"] == "gate_started"] == ["a", "b", "c", "c"]
