"""One child process seen from the parent: start it, query it, find out how it died, kill it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from eval.sandbox.isolation import Wrapper, bubblewrap, describe, without
from eval.sandbox.languages import UNDER_NODE, folders_of_child, words_of_child
from eval.sandbox.watching import Look, Patience, look_at
from eval.sandbox.wire import FrameError, FrameTimeout, read_frame, write_frame

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).resolve().with_name("child.py")
START_TIMEOUT_S = 30.0
CPU_LOOK_MS = 50  # between looks at the CPU time of a child that cannot bound its own
LIFE_CPU_S = 300.0  # half of limits.CHILD_CPU_S: a child is replaced before the kernel ends it
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # an interpreter built with a shared library needs them


class StartFailed(Exception):
    """A child did not come up: one line why."""


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What a child runs and its limits.

    Attributes:
        program: the judging program, file name to source, in loading order.
        on_demand: the part of it that is loaded when a program needs it, in the same form.
        warm_up: argument lists of harmless jobs, run before the child locks itself down.
        timeout_s: wall time of one program, after which it is watched (see ``watching``): CPU time is the real limit.
        cpu_s: CPU time of one program.
        memory_mb: heap of one program.
        recycle_after: programs a child runs before it is replaced.
        language: what it and the programs are written in: a module of ``eval.sandbox.languages``.
    """

    program: dict[str, str]
    on_demand: dict[str, str]
    warm_up: tuple[tuple[str, ...], ...]
    timeout_s: float
    cpu_s: float
    memory_mb: int
    recycle_after: int
    language: str = "lua"


# Of each language the smallest program, to find out what children start in.
TRIALS = {
    language: ChildSettings({f"trial.{suffix}": f"function {table}.judge() end"}, {}, (), 10.0, 2.0, 64, 1, language)
    for language, suffix, table in (
        ("lua", "lua", "P"),
        ("lua51", "lua", "P"),
        ("luau", "luau", "W"),
        ("luau_web", "luau", "W"),
    )
}


class Child:
    """A running child. Its working folder is empty and removed: no file can be created in it, none is left behind.

    ``wrapper`` contains it; by default the one in which children start here.

    Raises:
        StartFailed: it did not report ready in time.
    """

    def __init__(self, settings: ChildSettings, wrapper: Wrapper | None = None) -> None:
        self.settings = settings
        self._served = 0
        self._last_words = ""
        wrapper = wrapper or choose_wrapper(settings.language)
        self._wrapped = bool(wrapper.prefix)
        with tempfile.TemporaryDirectory(prefix="luagate-sandbox-") as folder:
            self._process = _start(wrapper, folder, settings)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._write_fd, self._read_fd = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._write_fd, False)
        try:
            ready = self._greet()
        except (FrameError, FrameTimeout, OSError) as error:
            self.kill()
            raise StartFailed(f"{type(error).__name__} {error} {self.last_words()}".strip()) from None
        self.isolation = describe(self._wrapped, ready["layers"])
        self.isolation_reason = "; ".join(part for part in (wrapper.reason, ready["refused"]) if part)
        self.runtime = str(ready["runtime"])
        self._life_cpu_s = float(ready["life_cpu_s"])

    def ask(self, arguments: list[str], job_id: int) -> dict[str, Any]:
        """Run one job and return the child's answer.

        Raises:
            FrameTimeout: no answer, and its ``Patience`` is over; the child is still running.
            FrameError, OSError: the pipe broke.
        """
        patience = Patience(self.look, self.settings.timeout_s, self.settings.cpu_s)
        write_frame(self._write_fd, {"id": job_id, "arguments": arguments}, patience)
        if self.settings.language in UNDER_NODE:
            self._end_at_cpu_limit(patience)
        answer = read_frame(self._read_fd, patience)
        self._served += 1
        self._life_cpu_s = float(answer["life_cpu_s"])
        return answer

    def _end_at_cpu_limit(self, patience: Patience) -> None:
        """Wait for its answer; send SIGXCPU, as the kernel would, once the job has used its CPU time."""
        poller = select.poll()
        poller.register(self._read_fd, select.POLLIN)
        wait_ms = self.settings.cpu_s * 1000.0  # one thread uses no more than the time that passes
        while not poller.poll(min(wait_ms, max(0.0, patience() * 1000.0))):
            if patience() <= 0:
                return
            look = self.look()
            if look is not None and look.cpu_s > self.settings.cpu_s:
                self._process.send_signal(signal.SIGXCPU)
                return
            wait_ms = CPU_LOOK_MS

    @property
    def is_spent(self) -> bool:
        """Whether it has run its number of programs and should be replaced."""
        return self._served >= self.settings.recycle_after or self._life_cpu_s > LIFE_CPU_S

    def look(self) -> Look | None:
        """Return what there is to see of it, CPU time counted from the running job's start; None if nothing is."""
        look = look_at(self._process.pid)
        return look and replace(look, cpu_s=look.cpu_s - self._life_cpu_s)

    def death_signal(self) -> int | None:
        """Wait for its death and return the signal that caused it; None when it exited normally."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        if status < 0:
            return -status
        # bubblewrap reports the death of what it ran as a shell does: 128 + signal.
        return status - 128 if self._wrapped and status > 128 else None

    def last_words(self) -> str:
        """Kill it and return the last line it wrote to stderr (at most 200 characters)."""
        self.kill()
        return self._last_words

    def stop(self) -> None:
        """Kill it from another thread: the waiting thread sees the pipe break."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def kill(self) -> None:
        """Kill it, reap it, close its pipes. Safe to call twice."""
        self.stop()
        self._process.wait()
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        if self._process.stderr is not None and not self._process.stderr.closed:
            os.set_blocking(self._process.stderr.fileno(), False)
            text = (self._process.stderr.read() or b"").decode("utf-8", "replace").strip()
            self._last_words = text.splitlines()[-1][:200] if text else ""
        for pipe in pipes:
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _greet(self) -> dict[str, Any]:
        setup = {
            "program": self.settings.program,
            "on_demand": self.settings.on_demand,
            "warm_up": self.settings.warm_up,
            "memory_mb": self.settings.memory_mb,
            "cpu_s": self.settings.cpu_s,
            "parent_pid": 0 if self._wrapped else os.getpid(),
        }
        deadline = time.monotonic() + START_TIMEOUT_S
        write_frame(self._write_fd, setup, deadline)
        return read_frame(self._read_fd, deadline)


def _start(wrapper: Wrapper, folder: str, settings: ChildSettings) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    try:
        words = words_of_child(settings.language, CHILD, 0 if wrapper.prefix else os.getpid(), settings.memory_mb)
    except LookupError as missing:
        raise StartFailed(missing.args[0]) from None
    return subprocess.Popen(
        [*wrapper.prefix, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=folder,
        env={"LC_ALL": "C.UTF-8", "TZ": "UTC0", **kept},
        start_new_session=True,  # Ctrl-C in the terminal is for the parent to handle
    )


@cache
def choose_wrapper(language: str = "lua") -> Wrapper:
    """Return bubblewrap where a child comes up inside it, else no wrapper, with the reason."""
    try:
        libraries = folders_of_child(language)
    except LookupError as missing:
        raise StartFailed(missing.args[0]) from None
    own = (sys.base_prefix, sys.prefix, *libraries, str(PACKAGE_ROOT / "eval"), str(PACKAGE_ROOT / "env"))
    wrapper = bubblewrap((), [(path, path) for path in own], ("--chdir", "/tmp"))
    if not wrapper.prefix:
        return wrapper
    try:
        Child(TRIALS[language], wrapper).kill()
    except StartFailed as failed:
        return without(wrapper, str(failed))
    return wrapper


def end_by_signal(number: int) -> str:
    """Return a signal's name, such as "SIGSEGV"; its number where it has none."""
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
