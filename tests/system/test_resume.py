"""Stopped or killed and advanced again, a run ends with the numbers of an undisturbed one (see also tests/faults)."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runner.advance.supervisor import Stop
from tests.support.holding import AT_WORK, Held, advance_until
from tests.support.runs import (
    DEADLINE_S,
    PROJECT,
    SMOKE,
    environment,
    events,
    heed_signals,
    is_alive,
    only_run,
    results_of,
    runner,
    wait_until,
)

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("undisturbed")
    done = runner("advance", *SMOKE, results=results)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return only_run(results)


# Each signal in the middle of a gate's own work; an impatient user presses Ctrl-C twice.
STOPS = [
    ("b", [signal.SIGINT], 130),
    ("c", [signal.SIGTERM], 143),
    ("d", [signal.SIGHUP], 129),
    ("e", [signal.SIGINT, signal.SIGINT], 130),
]


def test_every_signal_stops_every_gate_with_its_code_and_changes_no_number(undisturbed: Path, tmp_path: Path) -> None:
    runner("new", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    samples, stored = folder / "gate_b" / "samples.jsonl", b""
    for gate, signals, code in STOPS:
        advance = advance_until(AT_WORK[gate], results=tmp_path)
        output = advance.stop(*signals)
        assert not is_alive(advance.worker)
        assert "stopped" in runner("status", results=tmp_path).stdout
        last = events(folder)[-1]
        assert advance.process.returncode == code, output
        assert (last["type"], last["gate"], last["data"]["signal"]) == ("gate_stopped", gate, code - 128)
        assert "python -m runner advance" in output
        assert "Traceback" not in output
        stored = stored or samples.read_bytes()
    last_one = runner("advance", results=tmp_path)
    assert last_one.returncode in (0, 3), last_one.stdout + last_one.stderr
    assert results_of(folder) == results_of(undisturbed)
    assert [e["gate"] for e in events(folder) if e["type"] == "gate_stopped"] == ["b", "c", "d", "e"]
    # only whole lines were stored, and byte for byte: none of these samples was drawn or judged again
    assert stored.endswith(b"\n")
    assert samples.read_bytes().startswith(stored)


def test_a_lost_connection_stops_at_a_safe_point(tmp_path: Path) -> None:
    """The terminal hangs up in the middle of a gate: nothing can be printed any more, and the journal says stopped."""
    runner("new", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    ours, theirs = pty.openpty()
    held = Held(tmp_path, AT_WORK["b"])
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "advance", "--to", "B"],
        cwd=PROJECT, env={**environment(tmp_path), **held.variables},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=take_terminal,
    )  # fmt: skip
    os.close(theirs)
    while not held.is_reached:
        if select.select([ours], [], [], 0.05)[0]:
            os.read(ours, 65536)
    asked = held.times_asked()
    os.close(ours)
    wait_until(lambda: held.times_asked() > asked, "the worker is asked to stop", process)
    held.let_go()
    assert process.wait(timeout=DEADLINE_S) == 129
    last = events(folder)[-1]
    assert (last["type"], last["gate"], last["data"]["signal"]) == ("gate_stopped", "b", signal.SIGHUP)


def take_terminal() -> None:
    """Make standard input the terminal that this process is told of when it hangs up."""
    heed_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_under_nohup_a_hang_up_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop().installed():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert isinstance(signal.getsignal(signal.SIGTERM), Stop)
    finally:
        signal.signal(signal.SIGHUP, before)
