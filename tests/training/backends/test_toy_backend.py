"""A new backend is a module and a row of the table: nothing else of the project is edited for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.runs import PROJECT, only_run, runner

TOY = PROJECT / "tests" / "support" / "toy"
PATH = {"PYTHONPATH": os.pathsep.join((str(TOY), str(PROJECT)))}
OVERRIDES = ("profile=smoke", "backend.name=toy", "model.quantization=none", "model.processes=1")

pytestmark = pytest.mark.timeout(600)


def test_a_backend_that_only_the_table_knows_goes_from_a_to_e(tmp_path: Path) -> None:
    runner("new", *OVERRIDES, results=tmp_path, more=PATH, check=True)
    done = runner("advance", results=tmp_path, more=PATH)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    run = only_run(tmp_path)
    reports = {gate: json.loads((run / f"gate_{gate}" / "report.json").read_text()) for gate in "abcde"}
    assert all("torch" not in report["versions"] and "numpy" in report["versions"] for report in reports.values())
    assert not [name for name in reports["d"]["source_files"] if name.startswith("training/backends/transformers_peft")]
    assert runner("report", results=tmp_path, more=PATH).returncode == 0
    refused = runner("export", "--to", str(tmp_path / "out"), "--anyway", results=tmp_path, more=PATH)
    assert "backend = 'toy' cannot export" in refused.stdout + refused.stderr


def test_commands_read_its_row(tmp_path: Path) -> None:
    quantized = runner("doctor", *OVERRIDES[:2], results=tmp_path, more=PATH)
    assert "backend toy cannot hold it" in quantized.stdout + quantized.stderr
    unknown = runner("doctor", "profile=smoke", "backend.name=toi", results=tmp_path, more=PATH)
    assert 'Did you mean "toy"?' in unknown.stdout + unknown.stderr
