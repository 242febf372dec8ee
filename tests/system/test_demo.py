"""The demo's promise and its negative control, on the real profile: minutes each, so marked slow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import PROJECT, environment, only_run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo"), pytest.mark.timeout(1500)]


def decided(results: Path, *overrides: str) -> tuple[int, dict[str, Any], str]:
    """Run a profile A to E, the default one unless named; return exit code, the decision and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "runner", "advance", *overrides],
        cwd=PROJECT,
        env=environment(results),
        capture_output=True,
        text=True,
        timeout=1400,
        check=False,
    )
    path = only_run(results) / "gate_e" / "decision.json"
    assert path.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(path.read_text(encoding="utf-8"))["decision"], done.stdout


PROFILES = pytest.mark.parametrize("profile", ["tiny", "tiny_roblox"])


@PROFILES
def test_the_demo_decides_proceed_from_a_partly_able_base_with_a_gain_that_is_not_luck(
    profile: str, tmp_path: Path
) -> None:
    code, decision, printed = decided(tmp_path, f"profile={profile}")
    assert 0.15 <= decision["base"]["value"] <= 0.60
    assert decision["gain"]["value"] >= 0.15
    assert decision["gain"]["lower"] > 0
    assert (code, decision["verdict"]) == (0, "PROCEED")
    assert "PROCEED" in printed


@PROFILES
def test_training_on_shuffled_answers_does_not_proceed(profile: str, tmp_path: Path) -> None:
    code, decision, printed = decided(tmp_path, f"profile={profile}", "dataset.shuffle_answers=true")
    assert decision["verdict"] != "PROCEED", printed
    assert code == 3
