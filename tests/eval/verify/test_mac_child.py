"""A child where there is no prctl, no seccomp, no network namespace and no limit of address space, as on macOS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.sandbox import pool, process
from eval.sandbox.isolation import Wrapper, bubblewrap
from eval.sandbox.pool import run_once
from eval.sandbox.process import Child, ChildSettings

# The real child, told that it is on a Mac: what Linux alone has raises where it is called all the same.
AS_ON_A_MAC = """
import ctypes, platform, resource, runpy, socket, sys, threading
sys.platform = "darwin"
platform.machine = lambda: "arm64"
def linux_only(*_arguments, **_options):
    raise OSError("only Linux has this")
ctypes.CDLL = linux_only
real = resource.setrlimit
resource.setrlimit = lambda name, limits: linux_only() if name == resource.RLIMIT_AS else real(name, limits)
sys.argv[0] = CHILD
runpy.run_path(CHILD, run_name="__main__")
"""
JUDGE = {"judge.lua": "function P.judge(text) return assert(loadstring(text))() end"}


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    script = tmp_path / "child.py"
    script.write_text(AS_ON_A_MAC.replace("CHILD", repr(str(process.CHILD))), encoding="utf-8")
    monkeypatch.setattr(process, "CHILD", script)
    settings = ChildSettings(JUDGE, {}, (), 20.0, 0.5, 32, 100, "lua51")
    running = Child(settings, Wrapper((), "bubblewrap is not installed"))
    yield running
    running.kill()


def test_it_comes_up_and_says_which_layers_are_missing(child: Child) -> None:
    assert child.isolation == "process+rlimits"
    assert child.isolation_reason == "bubblewrap is not installed; no_new_privs is not available"
    assert run_once(child, ["return 'it', 5"], 1).fields == ("it", 5)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("while true do end", "timeout"),
        ("string.find(('a'):rep(40000), ('.-'):rep(20) .. 'b')", "timeout"),
        ("local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end", "memory"),
        ("local s = ('x'):rep(2^31 - 1)", "memory"),
        ("local function f() return 1 + f() end f()", "lost"),
    ],
)
def test_the_limits_of_time_and_memory_hold(child: Child, program: str, kind: str) -> None:
    assert run_once(child, [program], 1).kind == kind


def test_an_overrun_of_which_nothing_is_known_counts_as_hanging(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "look_at", lambda _pid: None)
    assert pool._overran(child, 20.0).kind == "hung"


def test_bubblewrap_is_not_looked_for_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert bubblewrap((), (), ()) == Wrapper((), "bubblewrap is not installed")
