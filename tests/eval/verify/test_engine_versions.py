"""The benchmark under every engine there is here, contained or not: no fault, and no two verifiers disagree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eval.domains.luanti.verify.engine.installation import engine_version, find_installation

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "luagate" / "engines"
WITHOUT_NAMESPACES = [sys.executable, str(ROOT / "tests" / "support" / "without_namespaces.py")]
LINE = re.compile(r"^(\S+) \(([\w+]+)\): 1,920 programs verified, 0 faults, 0 tasks skipped$", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.debian
@pytest.mark.xdist_group("engine")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("condition", ["as it is here", "without bubblewrap", "without namespaces"])
@pytest.mark.parametrize("release", ["installed here", "bookworm", "trixie", "forky"])
def test_the_benchmark_has_no_fault_and_no_disagreement(release: str, condition: str) -> None:
    folder = "" if release == "installed here" else str(CACHE / release)
    if folder and not Path(folder).is_dir():
        pytest.skip(f"{folder} is not there (sh env/engines.sh)")
    engine = find_installation(folder)
    if not engine.server:
        pytest.skip("the engine is not installed")
    version = engine_version(engine)
    command = [sys.executable, "-m", "eval.datasets", "validate", "--workers", "2"]
    command += ["--engine", folder] if folder else []
    command = [*WITHOUT_NAMESPACES, *command] if condition == "without namespaces" else command
    environment = dict(os.environ)
    if condition == "without bubblewrap":
        environment["PATH"] = str(Path(sys.executable).parent)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    found = dict(LINE.findall(done.stdout))
    assert set(found) == {f"engine/{version}", f"builtin/{version}", "recorder/luajit21"}, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout
    layers = {layer for isolation in found.values() for layer in isolation.split("+")}
    if condition != "as it is here":
        assert "bwrap" not in layers
    if condition == "without namespaces":
        assert "netns" not in layers
