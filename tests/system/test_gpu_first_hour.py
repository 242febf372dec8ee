"""The script for a GPU's first hour goes through on a CPU, with a model of its smallest shape."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs import PROJECT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_part_of_the_first_hour_says_what_it_found(tmp_path: Path) -> None:
    words = ["--shape", "tiny", "--folder", str(tmp_path), "--tokens", "16", "--rows", "4,8", "model.device=cpu"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "tests/bench/first_hour.py", *words],
        cwd=PROJECT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for found in (
        "4 rows:",
        "8 rows:",
        "log-probabilities twice: equal to the last bit",
        "the same chunk again: 8 of 8 samples equal",
        "at half the batch: 8 of 8 samples equal",
        "peak while generating:",
        "killed: the process ended with -9",
        "finished at step 6, resumed from step 2",
        "peak while training:",
        "the resumed adapter has the bytes of the undisturbed one",
    ):
        assert found in done.stdout, done.stdout + done.stderr
    assert "goes on without it" not in done.stdout
