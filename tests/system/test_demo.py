"""The demo's promise and its negative control, on the real profiles: minutes each, so marked slow.

The promise of the Luanti demo is held to its digits by test_first_hour.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import PROJECT, environment, only_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


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


def test_the_roblox_demo_decides_proceed_from_a_partly_able_base_with_a_gain_that_is_not_luck(tmp_path: Path) -> None:
    code, decision, printed = decided(tmp_path, "profile=tiny_roblox")
    assert 0.15 <= decision["base"]["value"] <= 0.60
    assert decision["gain"]["value"] >= 0.15
    assert decision["gain"]["lower"] > 0
    assert (code, decision["verdict"]) == (0, "PROCEED")
    assert "PROCEED" in printed


@pytest.mark.parametrize("profile", ["tiny", "tiny_roblox"])
def test_training_on_shuffled_answers_does_not_proceed(profile: str, tmp_path: Path) -> None:
    code, decision, printed = decided(tmp_path, f"profile={profile}", "dataset.shuffle_answers=true")
    assert decision["verdict"] != "PROCEED", printed
    assert code == 3
