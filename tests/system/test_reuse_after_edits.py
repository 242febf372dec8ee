"""A gate is reused across edits of what it did not use, and computed again after an edit of what it did; for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import PROJECT, SMOKE, environment

COPIED = ("env", "eval", "gates", "runner", "training", "conf", "pyproject.toml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose files may be edited, with one run whose gates A and B have passed."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / name)
    advanced(folder, "b")
    return folder


def advanced(checkout: Path, to: str) -> Path:
    """Return the folder of a new run of the copied project, advanced to gate ``to``."""
    before = set(checkout.glob("results/*/run.json"))
    for command in (["new", *SMOKE], ["advance", "--to", to]):
        done = subprocess.run(
            [sys.executable, "-m", "runner", *command],
            cwd=checkout,
            env={**environment(checkout / "results"), "PYTHONPATH": os.pathsep.join([str(checkout), *sys.path])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    [made] = set(checkout.glob("results/*/run.json")) - before
    return made.parent


def gate_event(run: Path, gate: str) -> dict[str, Any]:
    """Return the event by which ``gate`` began or was reused."""
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    found: dict[str, Any] = next(e for e in lines if e["gate"] == gate and e["type"] in ("gate_started", "gate_reused"))
    return found


def edited(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.slow
def test_a_gate_survives_edits_of_what_it_did_not_use_and_no_edit_of_what_judged_it(checkout: Path) -> None:
    edited(checkout / "runner" / "screens" / "ink.py", "\n# a screen\n")
    edited(checkout / "training" / "tiny" / "model" / "README.md", "\nA card.\n")
    edited(checkout / "training" / "backends" / "mlx" / "fitting.py", "\n# another backend\n")
    edited(checkout / "gates" / "d_sweep.py", "\n# a later gate\n")
    for tasks in (checkout / "eval" / "domains" / "luanti" / "bench").glob("*/*.yaml"):
        edited(tasks, "\n# another benchmark\n")
    assert gate_event(advanced(checkout, "b"), "b")["type"] == "gate_reused"

    for used in (
        "eval/domains/luanti/verify/api/judge.lua",
        "eval/sandbox/seccomp.py",
        "training/backends/transformers_peft/drawing.py",
    ):
        edited(checkout / used, f"\n{'--' if used.endswith('.lua') else '#'} touched\n")
        began = gate_event(advanced(checkout, "b"), "b")
        assert began["type"] == "gate_started"
        assert f"{used} changed since" in began["data"]["not_reused"][0]
