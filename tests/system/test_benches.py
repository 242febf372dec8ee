"""The benchmark scripts run in any environment that has the libraries, whether or not luagate is installed there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs import PROJECT

SCRIPTS = sorted((PROJECT / "tests" / "bench").glob("*.py"))
OURS = {"env", "eval", "training", "gates", "runner", "tests"}


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_script_finds_its_checkout_before_it_imports_from_it(script: Path) -> None:
    found, ours = [], []
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("sys.path.insert(0, "):
            found.append(node.lineno)
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        ours += [node.lineno for name in names if name.split(".")[0] in OURS]
    assert not ours or (found and found[0] < ours[0])


def test_a_script_answers_from_another_folder(tmp_path: Path) -> None:
    script = PROJECT / "tests" / "bench" / "bench_verify.py"
    command = [sys.executable, "-P", str(script), "--programs", "20", "--workers", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
