"""Stopped or killed and advanced again, a run ends with the numbers of an undisturbed one (see also tests/faults)."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.supervising import Stop
from tests.runs import (
    PROJECT,
    SMOKE,
    UNHURRIED,
    environment,
    events,
    heed_signals,
    kill_group,
    only_run,
    pulse,
    results_of,
    runner,
    start,
    wait_until,
)

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("undisturbed")
    done = runner("advance", *SMOKE, results=results)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return only_run(results)


def in_gate(folder: Path, gate: str, phase: str, done: int = 0) -> Callable[[], bool]:
    def reached() -> bool:
        beat = pulse(folder)
        return beat.get("gate") == gate and beat.get("phase") == phase and beat.get("done", -1) >= done

    return reached


# Each signal in the middle of a gate's own work; an impatient user presses Ctrl-C twice.
STOPS = [
    ("b", "sampling", 1, [signal.SIGINT], 130),
    ("c", "training", 1, [signal.SIGTERM], 143),
    ("d", "sampling", 1, [signal.SIGHUP], 129),
    ("e", "sampling", 1, [signal.SIGINT, signal.SIGINT], 130),
]


def test_every_signal_stops_every_gate_with_its_code_and_changes_no_number(undisturbed: Path, tmp_path: Path) -> None:
    runner("new", *UNHURRIED, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    for gate, phase, done, signals, code in STOPS:
        process = start("advance", results=tmp_path)
        wait_until(in_gate(folder, gate, phase, done), f"gate {gate}: {phase} {done}", process)
        for number in signals:
            os.kill(process.pid, number)
            time.sleep(0.1)
        output = process.communicate(timeout=120)[0]
        last = events(folder)[-1]
        if (last["type"], last["gate"]) in (("gate_passed", gate), ("gate_failed", gate)):
            continue  # it was through before the signal reached it
        assert process.returncode == code, output
        assert (last["type"], last["gate"], last["data"]["signal"]) == ("gate_stopped", gate, code - 128)
        assert "python -m runner advance" in output
        assert "Traceback" not in output
    last_one = runner("advance", results=tmp_path)
    assert last_one.returncode in (0, 3), last_one.stdout + last_one.stderr
    assert results_of(folder) == results_of(undisturbed)
    stopped = [e["gate"] for e in events(folder) if e["type"] == "gate_stopped"]
    assert len(stopped) >= 2, "most signals came in time"


def test_a_lost_connection_stops_at_a_safe_point(tmp_path: Path) -> None:
    """The terminal hangs up in the middle of a gate: nothing can be printed any more, and the journal says stopped."""
    runner("new", *UNHURRIED, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "advance", "--to", "B"],
        cwd=PROJECT, env=environment(tmp_path), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=take_terminal,
    )  # fmt: skip
    os.close(theirs)
    threading.Thread(target=drain, args=(ours, folder), daemon=True).start()
    assert process.wait(timeout=240) == 129
    last = events(folder)[-1]
    assert (last["type"], last["gate"], last["data"]["signal"]) == ("gate_stopped", "b", signal.SIGHUP)


def take_terminal() -> None:
    """Make standard input the terminal that this process is told of when it hangs up."""
    heed_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def drain(terminal: int, folder: Path) -> None:
    """Read a terminal until gate B has stored samples, then hang up."""
    while not in_gate(folder, "b", "sampling", 1)():
        os.read(terminal, 65536)
    os.close(terminal)


def test_under_nohup_a_hang_up_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop().installed():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert isinstance(signal.getsignal(signal.SIGTERM), Stop)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_resumed_gate_keeps_the_samples_it_had(tmp_path: Path) -> None:
    runner("new", *UNHURRIED, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    process = start("advance", results=tmp_path)
    wait_until(in_gate(folder, "b", "sampling", 30), "some samples", process)
    kill_group(process)
    stored = (folder / "gate_b" / "samples.jsonl").read_bytes()
    complete = stored[: stored.rfind(b"\n") + 1]
    done = runner("advance", "--to", "B", results=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # byte for byte: what was stored was neither drawn nor judged again
    assert (folder / "gate_b" / "samples.jsonl").read_bytes().startswith(complete)
    assert complete.count(b"\n") >= 30
