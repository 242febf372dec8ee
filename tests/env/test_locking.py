"""The run lock has one holder, survives the supervisor while the worker lives, and dies with both."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from env import locking
from env.locking import Holder, LockHeld, RunLock, current_holder, holder, process_start
from env.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]

SUPERVISOR = textwrap.dedent(
    """
    import subprocess, sys, time
    from pathlib import Path
    from env.locking import RunLock
    with RunLock(Path(sys.argv[1])) as lock:
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=lock.descriptors)
        print(worker.pid, flush=True)
        time.sleep(60)
    """
)


class Pair:
    """A supervisor that holds the lock, and the worker it passed the descriptor to."""

    def __init__(self, path: Path) -> None:
        self.supervisor = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.supervisor.stdout is not None
        self.worker_pid = int(self.supervisor.stdout.readline())

    def kill_supervisor(self) -> None:
        self.supervisor.kill()
        self.supervisor.wait()

    def kill_worker(self) -> None:
        if process_start(self.worker_pid):
            os.kill(self.worker_pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while process_start(self.worker_pid) and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        self.kill_supervisor()
        self.kill_worker()
        if self.supervisor.stdout is not None:
            self.supervisor.stdout.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.lock"


@pytest.fixture
def pair(path: Path) -> Iterator[Pair]:
    pair = Pair(path)
    yield pair
    pair.close()


def test_a_second_acquirer_learns_who_holds_the_lock(path: Path) -> None:
    with RunLock(path):
        with pytest.raises(LockHeld) as caught:
            RunLock(path).acquire()
        assert caught.value.holder.pid == os.getpid()
        assert f"pid {os.getpid()}" in str(caught.value)
        assert holder(path) == caught.value.holder
    assert holder(path) is None


def test_a_lock_never_taken_is_free(path: Path) -> None:
    assert holder(path) is None
    assert not path.exists()


def test_a_released_lock_can_be_taken_again_by_the_same_object(path: Path) -> None:
    lock = RunLock(path)
    for _ in range(2):
        lock.acquire()
        with pytest.raises(RuntimeError, match="already held"):
            lock.acquire()
        lock.release()
        lock.release()
    with pytest.raises(RuntimeError, match="not held"):
        _ = lock.descriptors


def test_killing_only_the_supervisor_keeps_the_lock_with_the_worker(path: Path, pair: Pair) -> None:
    pair.kill_supervisor()
    who = holder(path)
    assert who is not None
    assert who.liveness == "dead"
    assert "its worker still holds the lock" in str(who)
    with pytest.raises(LockHeld):
        RunLock(path).acquire()


def test_killing_only_the_worker_keeps_the_lock_with_the_supervisor(path: Path, pair: Pair) -> None:
    pair.kill_worker()
    who = holder(path)
    assert who is not None
    assert (who.pid, who.liveness) == (pair.supervisor.pid, "alive")


def test_a_supervisor_that_ends_orderly_does_not_take_the_lock_from_its_worker(path: Path) -> None:
    with RunLock(path) as lock:
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=lock.descriptors)
    try:
        assert holder(path) is not None
    finally:
        worker.kill()
        worker.wait()
    assert holder(path) is None


def test_killing_supervisor_and_worker_frees_the_lock(path: Path, pair: Pair) -> None:
    pair.kill_supervisor()
    pair.kill_worker()
    assert holder(path) is None
    with RunLock(path):
        assert holder(path) is not None


def test_of_two_processes_at_once_exactly_one_gets_the_lock(path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from env.locking import LockHeld, RunLock
        try:
            with RunLock(Path(sys.argv[1])):
                print("got", flush=True)
                sys.stdin.read()
        except LockHeld:
            print("held", flush=True)
        """
    )
    command = [sys.executable, "-c", code, str(path)]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = sorted(process.stdout.readline().strip() for process in both if process.stdout)
    for process in both:
        process.communicate("", timeout=10)
    assert answers == ["got", "held"]


def test_a_status_probe_does_not_make_an_acquirer_fail(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from env.locking import holder\n"
        "holder(Path(sys.argv[1])); print('probes', flush=True)\n"
        "while True: holder(Path(sys.argv[1]))"
    )
    RunLock(path).acquire().release()
    prober = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert prober.stdout is not None
        assert prober.stdout.readline() == "probes\n"
        for _ in range(200):
            RunLock(path).acquire().release()
        assert prober.poll() is None
    finally:
        prober.kill()
        prober.communicate()


def test_a_probe_that_ends_while_the_lock_is_waited_for_is_no_holder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    probe = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: os.close(probe))
    with RunLock(path) as lock:
        assert lock.descriptors


def test_a_lock_file_deleted_between_opening_and_locking_is_created_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    lock_soon = locking._flock_soon

    def deleting(descriptor: int, place: Path) -> bool:
        if place == path:
            opened.append(descriptor)
            if len(opened) == 1:
                path.unlink()
        return lock_soon(descriptor, place)

    monkeypatch.setattr(locking, "_flock_soon", deleting)
    with RunLock(path):
        assert len(opened) == 2
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_of_several_locks_on_the_machine_the_one_on_the_folder_names_the_holder(path: Path, tmp_path: Path) -> None:
    before = Pair(tmp_path / "before" / "run.lock")
    try:
        with RunLock(path):
            after = Pair(tmp_path / "after" / "run.lock")
            path.unlink()
            found = holder(path)
            after.close()
    finally:
        before.close()
    assert found is not None
    assert found.pid == os.getpid()


def test_a_reused_pid_is_not_the_holder() -> None:
    me = current_holder()
    assert me.liveness == "alive"
    assert replace(me, process_start="another boot:1").liveness == "dead"


def test_a_holder_on_another_host_is_not_judged_by_our_pids() -> None:
    who = replace(current_holder(), host="elsewhere.example")
    assert who.liveness == "elsewhere"
    assert "on elsewhere.example" in str(who)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 10
    while process_start(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_start(child.pid) == ""
    child.wait()


@pytest.mark.parametrize("content", ["", "garbage", "[1]", '{"pid": "x"}', '{"pid": 3'])
def test_an_unreadable_lock_file_still_locks(path: Path, content: str) -> None:
    with RunLock(path):
        path.write_text(content)
        assert holder(path) == Holder()
        with pytest.raises(LockHeld, match="an unknown process"):
            RunLock(path).acquire()


def test_the_holder_in_the_file_is_this_process(path: Path) -> None:
    path.write_text("x" * 3000)
    with RunLock(path):
        written = json.loads(path.read_text())
    assert written["pid"] == os.getpid()
    assert written == asdict(Holder(**written))
    assert written["since"].endswith("+00:00")


def test_a_file_system_without_locks_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locking.fcntl, "flock", no_locks)
    with pytest.raises(Refusal, match="cannot lock files"):
        RunLock(path).acquire()
