"""Every lock of the project resolves on an NVIDIA machine, from a plain package index and wheels alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from env.pins import LOCKS, read_pins
from training.backends import BACKENDS, Backend

PROJECT = tomllib.loads((LOCKS.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What a Linux with glibc 2.35 takes, from the oldest tag on: pip derives no older tags from a platform it is given.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(5, 36)] + [
    f"manylinux{name}_x86_64" for name in ("1", "2010", "2014")
]
DEADLINE_S = 880


def resolved(requirements: list[str], locks: list[Path], report: Path) -> subprocess.CompletedProcess[str]:
    """Run pip's resolver for such a machine; what it would install comes into ``report``."""
    # the machine's own index stays, what it adds or caps does not
    environment = {k: v for k, v in os.environ.items() if k not in ("PIP_CONSTRAINT", "PIP_FIND_LINKS")}
    options = [word for platform in PLATFORMS for word in ("--platform", platform)]
    options += [word for lock in locks for word in ("-c", str(lock))]
    return subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report", str(report),
            "--target", str(report.with_suffix(".none")), "--only-binary=:all:", "--python-version", "3.11",
            "--implementation", "cp", *options, *requirements,
        ],
        env={**environment, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}, capture_output=True, text=True,
        timeout=DEADLINE_S, check=False,
    )  # fmt: skip


def requirements_of(extra: str) -> list[str]:
    """Return what one of the project's extras asks for, the extras that it names included."""
    found: list[str] = []
    for text in PROJECT["optional-dependencies"][extra]:
        named = re.fullmatch(r"luagate\[(.+)\]", text)
        found += requirements_of(named[1]) if named else [text]
    return found


@cache
def index_is_there() -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", os.devnull, "packaging==0.0.0"],
            env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "10"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return "from versions: none" not in done.stderr and "from versions:" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)
def test_a_backend_s_locks_resolve_for_an_nvidia_machine(backend: Backend, tmp_path: Path) -> None:
    if not os.environ.get("LUAGATE_RESOLVE_LOCKS"):
        pytest.skip("pip resolves a lock for minutes, over a network: make locks")
    if not index_is_there():
        pytest.skip("no package index can be reached")
    if not backend.locks:
        pytest.skip(f"{backend.name} has no lock of its own")
    locks = [LOCKS / f"{name}.txt" for name in backend.locks]
    extras = [text for name in backend.extras for text in requirements_of(name)]
    report = tmp_path / "report.json"
    done = resolved([*PROJECT["dependencies"], *extras], locks, report)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {
        item["metadata"]["name"].lower(): item["metadata"]["version"]
        for item in json.loads(report.read_text())["install"]
    }
    pins = {pin.name: pin.version for lock in locks for pin in read_pins(lock)}
    assert found["lupa"] == pins["lupa"]
    if "torch" in found:
        assert found["torch"] == pins["torch"]
        # the build for CUDA, which brings its own triton
        assert any(name.startswith("nvidia-") for name in found)
        assert found["triton"] == pins.get("triton", found["triton"])
