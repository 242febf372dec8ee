"""How long programs are waited for: a loaded machine never makes a timeout of a program that would have passed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any, ClassVar

import pytest

from eval.sandbox import process, watching
from eval.sandbox.isolation import Wrapper
from eval.sandbox.pool import Ending, Pool, run_once
from eval.sandbox.process import Child, ChildSettings
from eval.sandbox.watching import PATIENCE, Look, Patience, look_at, look_of_ps
from eval.sandbox.wire import FrameTimeout

TIMEOUT_S, CPU_S = 10.0, 2.0
JUDGE = {"judge.lua": "function P.judge(text) return assert(loadstring(text))() end"}


def stop(pid: int) -> None:
    """Stop a child of this process, and return when it has stopped."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def waited_s(at: Callable[[float], Look | None]) -> float:
    """Return the seconds that a program is waited for which never answers and looks like ``at(seconds)``."""
    now = 0.0
    patience = Patience(lambda: at(now), TIMEOUT_S, CPU_S, clock=lambda: now)
    while (left_s := patience()) > 0:
        now += left_s
    return now


def test_a_program_that_does_not_want_the_cpu_is_given_its_wall_time_twice() -> None:
    assert waited_s(lambda now: Look(0.01)) == 2 * TIMEOUT_S


@pytest.mark.parametrize(
    "starved",
    [
        lambda now: Look(0.0, wants_cpu=True),
        lambda now: Look(now / 1000, in_line_s=now * 0.999),
        lambda now: Look(CPU_S * now / (PATIENCE * TIMEOUT_S), in_line_s=now),
        lambda now: None,
    ],
    ids=["never ran", "stood in line", "got a little", "nothing is known"],
)
def test_one_that_the_machine_keeps_from_running_is_waited_for_much_longer(starved: Callable[[float], Look]) -> None:
    assert waited_s(starved) == PATIENCE * TIMEOUT_S


def test_time_in_line_is_not_the_programs() -> None:
    # It stands in line for the first minute of being watched, then does not want the CPU.
    assert waited_s(lambda now: Look(0.1, in_line_s=min(now, 70.0))) == 70.0 + TIMEOUT_S


def test_one_that_used_more_than_its_cpu_time_is_waited_for_no_longer() -> None:
    assert waited_s(lambda now: Look(now, wants_cpu=True)) == TIMEOUT_S
    # A fifth of a CPU: the limit and its margin, 4 s, are used up after 20 s, and seen within another wall time.
    assert 20.0 < waited_s(lambda now: Look(now / 5, in_line_s=now * 0.8, wants_cpu=True)) <= 20.0 + TIMEOUT_S


@pytest.mark.parametrize(
    ("said", "look"),
    [
        ("R+   0:02.50\n", Look(2.5, wants_cpu=True)),
        ("S 00:01:03\n", Look(63.0)),
        ("T 1-02:00:00\n", Look(93600.0, wants_cpu=True)),
    ],
)
def test_where_there_is_no_proc_ps_says_it(said: str, look: Look) -> None:
    assert look_of_ps(said) == look


def test_what_ps_and_proc_say_of_a_process_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeping = subprocess.Popen([sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"], stdout=-1)
    try:
        assert sleeping.stdout is not None
        sleeping.stdout.readline()
        stop(sleeping.pid)
        by_proc, by_ps = look_at(sleeping.pid), watching._by_ps(sleeping.pid)
        if by_proc is None or by_ps is None:
            pytest.skip("there is no /proc or no ps here")
        assert by_proc.wants_cpu
        assert by_ps.wants_cpu
        assert by_ps.cpu_s == pytest.approx(by_proc.cpu_s, abs=1.0)
    finally:
        sleeping.kill()
        sleeping.wait()
    assert look_at(sleeping.pid) is None


# ---------------------------------------- real children
UNWRAPPED = Wrapper((), "")
# Greets as a child does, then keeps the program without wanting the CPU.
HANGS = """
import runpy, sys, time
sys.argv[0] = CHILD
names = runpy.run_path(CHILD)
names["_answer"].__globals__["_answer"] = lambda *_: time.sleep(1000)
names["main"]()
"""


def settings_of(timeout_s: float) -> ChildSettings:
    return ChildSettings(JUDGE, {}, (), timeout_s, 20.0, 32, 100, "lua51")


@pytest.fixture
def child() -> Iterator[Child]:
    running = Child(settings_of(0.2), UNWRAPPED)
    yield running
    running.kill()


def test_a_program_that_is_stopped_for_longer_than_its_wall_time_still_passes(child: Child) -> None:
    looked = threading.Event()
    see = child.look

    def look() -> Look | None:
        looked.set()
        return see()

    child.look = look  # type: ignore[method-assign]
    stop(child._process.pid)
    threading.Thread(target=lambda: (looked.wait(60), os.kill(child._process.pid, signal.SIGCONT))).start()
    assert run_once(child, ["return 'passed'"], 1).fields == ("passed",)
    assert looked.is_set()


def test_one_that_never_runs_again_is_missing_data(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 0.05)  # of 20 s
    stop(child._process.pid)
    ending = run_once(child, ["return 1"], 1)
    assert (ending.kind, "of CPU in" in ending.detail) == ("lost", True)


def test_a_child_that_sleeps_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "child.py"
    script.write_text(HANGS.replace("CHILD", repr(str(process.CHILD))), encoding="utf-8")
    monkeypatch.setattr(process, "CHILD", script)
    ending = run_once(Child(settings_of(0.2), UNWRAPPED), ["return 1"], 1)
    assert (ending.kind, ending.detail) == ("hung", "more than 0.2 s without wanting the CPU")


# ---------------------------------------- what the pool makes of it
class Scripted:
    """A child in this process whose answers to a program follow its script: "hang", "starve" or a value."""

    isolation, isolation_reason, runtime, is_spent = "none", "", "scripted", False
    settings = settings_of(1.0)
    script: ClassVar[dict[str, list[str]]] = {}
    running: ClassVar[set[str]] = set()
    beside: ClassVar[list[frozenset[str]]] = []  # who ran when a retry began
    tries: ClassVar[dict[str, int]] = {}

    def __init__(self, _settings: Any) -> None:
        self.state = ""

    def ask(self, arguments: list[str], job_id: int) -> dict[str, Any]:
        name = arguments[0]
        Scripted.tries[name] = Scripted.tries.get(name, 0) + 1
        if Scripted.tries[name] > 1:
            Scripted.beside.append(frozenset(Scripted.running))
        Scripted.running.add(name)
        time.sleep(0.002)  # lets others overlap, where the pool would allow it
        Scripted.running.discard(name)
        self.state = Scripted.script[name].pop(0)
        if self.state in ("hang", "starve"):
            raise FrameTimeout
        return {"id": job_id, "status": "done", "fields": [self.state], "seconds": 0.0}

    def look(self) -> Look:
        return Look(0.01, wants_cpu=self.state == "starve")

    def death_signal(self) -> None: ...
    def last_words(self) -> str:
        return ""

    def stop(self) -> None: ...
    def kill(self) -> None: ...


def endings_of(script: dict[str, list[str]]) -> dict[str, Ending]:
    """Return how each program of ``script`` ends in a pool of four children."""
    Scripted.script, Scripted.beside, Scripted.tries = script, [], {}
    pool: Pool[Ending] = Pool(None, 4, start=Scripted)
    futures = {name: pool.submit([name], lambda ending: ending) for name in script}
    wait(futures.values(), timeout=60)
    pool.close()
    return {name: future.result(timeout=0) for name, future in futures.items()}


def test_a_hanging_program_is_a_timeout_only_when_it_hangs_again_alone() -> None:
    endings = endings_of({"again": ["hang", "hang"], "once": ["hang", "passed"], "starved": ["hang", "starve"]})
    assert endings["again"].kind == "timeout"
    assert endings["once"].fields == ("passed",)
    assert endings["starved"].kind == "lost"
    assert Scripted.tries == {"again": 2, "once": 2, "starved": 2}


def test_a_program_is_tried_again_while_no_other_one_of_its_pool_runs() -> None:
    script = {f"hung {at}": ["hang", "passed"] for at in range(10)} | {f"good {at}": ["passed"] for at in range(40)}
    assert {ending.kind for ending in endings_of(script).values()} == {"answer"}
    assert Scripted.beside == [frozenset()] * 10
