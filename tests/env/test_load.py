"""How many cores others take is measured over a moment, and threads follow from what is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from env.machine import load
from env.machine.load import busy_cores


def kernel(root: Path, monkeypatch: pytest.MonkeyPatch, after: list[str], quota: str = "max 100000") -> None:
    """Let the kernel's counts be those of four idle cores, and ``after`` a moment later."""
    (root / "proc/self").mkdir(parents=True)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "sys/fs/cgroup/cpu.max").write_text(quota)
    stat = root / "proc/stat"
    stat.write_text("cpu 0 0 0 0\n" + "".join(f"cpu{n} 0 0 0 1000 0 0 0 0 0 0\n" for n in range(4)) + "intr 5\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(load.time, "sleep", lambda _: stat.write_text("\n".join(after) + "\n"))


def cores(*busy: int) -> list[str]:
    """Counts after 100 ticks, of which each core worked so many."""
    return [f"cpu{n} {ticks} 0 0 {1100 - ticks} 0 0 0 0 0 0" for n, ticks in enumerate(busy)]


@pytest.mark.parametrize(
    ("after", "quota", "taken"),
    [
        (cores(0, 0, 0, 0), "max 100000", 0.0),
        (cores(100, 50, 0, 0), "max 100000", 1.5),
        (cores(100, 100, 100, 100), "max 100000", 4.0),
        # a quota of two cores is whole as long as two of the four are idle
        (cores(100, 100, 0, 0), "200000 100000", 0.0),
        (cores(100, 100, 50, 0), "200000 100000", 0.5),
    ],
)
def test_what_others_take_is_what_is_not_idle(
    after: list[str], quota: str, taken: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(tmp_path, monkeypatch, after, quota)
    assert busy_cores(root=tmp_path) == taken


def test_only_the_cores_that_this_process_may_use_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path, monkeypatch, cores(0, 0, 100, 100))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert busy_cores(root=tmp_path) == 0.0


def test_without_counts_the_load_average_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.25, 9.0, 9.0))
    assert busy_cores(root=tmp_path) == 1.25


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the kernel of this system counts no time per core")
def test_a_program_that_works_is_noticed() -> None:
    def at_work(program: Callable[[], subprocess.Popen[bytes]]) -> float:
        with program() as one:
            time.sleep(0.2)
            found = busy_cores(1.0)
            one.kill()
        assert found is not None
        return found

    assert at_work(lambda: subprocess.Popen([sys.executable, "-c", "while True: pass"])) > 0.3
