"""Start real runs from tests: real processes, real signals, the embedded model, a results folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
# The command line called in this process: its exit code and everything printed (fixture `cli`).
Cli = Callable[..., tuple[int, str]]
SMOKE = ("profile=smoke", "model.processes=1")
# A run takes a minute on an idle machine and many on a busy one; the limit of its test (timeout) ends a hang.
DEADLINE_S = 900.0


def runner(
    *arguments: str, results: Path, check: bool = False, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m runner`` to its end, with ``more`` variables in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=PROJECT,
        env={**environment(results), **(more or {})},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=check,
    )


def start(*arguments: str, results: Path, more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``python -m runner`` in a process group of its own, in which Ctrl-C works; ``more`` as in ``runner``."""
    return subprocess.Popen(
        [sys.executable, "-m", "runner", *arguments],
        cwd=PROJECT,
        env={**environment(results), **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,
    )


def heed_signals() -> None:
    """Undo what tests in a shell's background, or under nohup, inherit: an ignored SIGINT, an ignored SIGHUP."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def environment(results: Path) -> dict[str, str]:
    """Return an environment in which runs go to ``results`` and every process computes on one thread.

    A tmux session that the tests are started in is not theirs.
    """
    around = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
    return {**around, "LUAGATE_RESULTS": str(results), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def only_run(results: Path) -> Path:
    """Return the one run folder in ``results``."""
    [folder] = [path for path in results.iterdir() if (path / "run.json").is_file()]
    return folder


def wait_until(condition: Callable[[], bool], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until ``condition`` holds; fail when it does not in time, or the process ended first."""
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: the process ended first ({process.returncode}): {process.communicate()[0]}")
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {DEADLINE_S} s")
        time.sleep(0.02)


def events(folder: Path) -> list[dict[str, Any]]:
    """Return the journal's complete lines."""
    path = folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] if path.exists() else []


def pulse(folder: Path) -> dict[str, Any]:
    """Return the heartbeat, {} before the first."""
    try:
        return dict(json.loads((folder / "heartbeat.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL the supervisor's whole process group and wait until its worker is gone too."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def results_of(folder: Path) -> dict[str, Any]:
    """Return everything that must not depend on interruptions: samples without timings, weights, the decision."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("gate_*/**/samples.jsonl")):
        found[path.relative_to(folder).as_posix()] = [
            _untimed(line) for line in path.read_text(encoding="utf-8").splitlines()
        ]
    for path in sorted(folder.glob("gate_c/checkpoints/step-*/adapter_model.safetensors")):
        found[path.relative_to(folder).as_posix()] = path.read_bytes()
    decision = folder / "gate_e" / "decision.json"
    if decision.exists():
        found["decision"] = json.loads(decision.read_text(encoding="utf-8"))
    return found


def _untimed(line: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads(line)
    del sample["verdict"]["seconds"]
    return sample
