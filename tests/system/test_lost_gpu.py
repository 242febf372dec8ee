"""A GPU that is lost for memory costs one worker: the next one continues with half the rows, and the run remembers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.runs.plain_config import read_plain
from tests.support.runs import PROJECT, SMOKE, events, only_run, runner

SMALL_GPU = {"PYTHONPATH": str(PROJECT / "tests" / "support" / "small_gpu")}

pytestmark = pytest.mark.slow


def test_a_lost_gpu_is_followed_by_a_worker_with_half_the_rows(tmp_path: Path) -> None:
    done = runner("advance", *SMOKE, "model.batch_size=16", "--to", "A", results=tmp_path, more=SMALL_GPU)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = only_run(tmp_path)
    assert read_plain(folder / "config.yaml")["model"]["batch_size"] == 4
    told = done.stdout + done.stderr
    for rows, before in ((8, 16), (4, 8)):
        assert f"a new process continues with model.batch_size={rows} instead of {before}" in told
    crashed = [event for event in events(folder) if event["type"] == "gate_crashed"]
    assert [event["data"]["kind"] for event in crashed] == ["memory", "memory"]
    assert "memory ran out with 16 rows, and the GPU does not answer since" in crashed[0]["data"]["sentence"]
