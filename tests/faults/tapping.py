"""Taps every call by which this process changes files under the results folder: counts it, tells it, strikes at one."""

from __future__ import annotations

import builtins
import io
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.disk import FaultyDisk
from tests.faults.order import ORDER_VARIABLE, TRACE_VARIABLE, Act, Order, Point, order_of, place
from tests.faults.power import DurableImage

# name in os -> which argument is the file (a path or a descriptor) that the call is named by
TAPPED = {
    "open": 0, "write": 0, "pwrite": 0, "ftruncate": 0, "fsync": 0, "mkdir": 0, "unlink": 0, "remove": 0, "rmdir": 0,
    "rename": 1, "replace": 1, "link": 1,
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Tap:
    """The tap of one process."""

    def __init__(self, process: str, root: str, order: Order | None, trace: Path | None) -> None:
        self.process, self.root, self.order = process, root, order
        self.counts: Counter[tuple[str, str]] = Counter()
        self.real = {name: getattr(os, name) for name in TAPPED}
        self.trace = None if trace is None else os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        self.disk = None if order is None or order.act is Act.HOLD else FaultyDisk(order.state)
        cuts = order is not None and order.act is Act.CUT_POWER and order.point.process == process
        self.image = DurableImage(Path(root)) if cuts else None
        self._lock = threading.RLock()
        self._thread = threading.local()

    @property
    def busy(self) -> bool:
        """Whether this thread is inside the tap, whose own use of files is not tapped."""
        return getattr(self._thread, "busy", False)

    def call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make the call ``name``, or strike."""
        path = None if self.busy else self._path(name, args, kwargs)
        where = None if path is None else place(path, self.root)
        if path is None or where is None:
            return real(*args, **kwargs)
        with self._lock:
            self._thread.busy = True
            try:
                self.counts[name, where] += 1
                point = Point(self.process, name, where, self.counts[name, where])
                if self.trace is not None:
                    os.write(self.trace, f"{self.process}\t{name}\t{where}\n".encode())
                if self.order is not None and self.order.point == point:
                    self._strike(self.order, real, args, kwargs)
                return self._carry_out(name, path, real, args, kwargs)
            finally:
                self._thread.busy = False

    def _carry_out(
        self, name: str, path: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self.disk is not None:
            args = self.disk.admit(name, path, args)
        if self.image is not None:
            self.image.before(name, path)
        result = real(*args, **kwargs)
        if self.image is not None:
            self.image.after(name, path)
        return result

    def _strike(self, order: Order, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Carry out the order; returns only where the process lives on."""
        order.fired.write_text(f"{os.getpid()}\n", encoding="utf-8")
        if order.act in (Act.FILL_DISK, Act.MAKE_READ_ONLY):
            FaultyDisk(order.state).fail(order.act, order.room_bytes)
            return
        if order.act is Act.HOLD:
            while not order.state.exists():
                time.sleep(0.02)
            return
        if order.act is Act.KILL_AFTER:
            real(*args, **kwargs)
        elif order.act is Act.TEAR:
            real(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
        both = [os.getppid(), os.getpid()] if self.process == "worker" else [os.getpid()]
        if self.image is not None:
            # its death would end this process before the disk is as it should be
            for pid in both[:-1]:
                os.kill(pid, signal.SIGSTOP)
            self.image.lose_what_was_not_flushed()
        for pid in both:
            os.kill(pid, signal.SIGKILL)

    def _path(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Return the absolute path that a call changes; None for a call that changes nothing."""
        if name == "open" and not args[1] & _WRITING:
            return None
        file = args[TAPPED[name]]
        try:
            if isinstance(file, int):
                return os.readlink(f"/proc/self/fd/{file}")
            folder = kwargs.get("dir_fd")
            base = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else os.getcwd()
        except OSError:
            return None
        return os.path.normpath(os.path.join(base, os.fspath(file)))


def tap_this_process() -> None:
    """Tap ``os`` and ``open`` as the environment asks."""
    order = order_of(os.environ[ORDER_VARIABLE]) if ORDER_VARIABLE in os.environ else None
    trace = Path(os.environ[TRACE_VARIABLE]) if TRACE_VARIABLE in os.environ else None
    process = "worker" if "runner.advance.worker" in sys.orig_argv else "supervisor"
    tap = Tap(process, os.environ["LUAGATE_RESULTS"], order, trace)
    for name, real in tap.real.items():
        setattr(os, name, _tapped(tap, name, real))
    builtins.open = io.open = _tapped_open(tap, io.open)  # type: ignore[assignment]


def _tapped(tap: Tap, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return tap.call(name, real, *args, **kwargs)

    return call


def _tapped_open(tap: Tap, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ``open`` whose files write through the tap: the real one writes in C, where nothing can be tapped."""

    class TappedFile(io.FileIO):
        def write(self, data: Any) -> int:
            def write(descriptor: int, content: Any) -> int:
                return super(TappedFile, self).write(content) or 0

            return int(tap.call("write", write, self.fileno(), data))

    def tapped_open(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax") or tap.busy:
            return real(file, mode, buffering, *args, **kwargs)
        raw_mode = mode.replace("b", "").replace("t", "")
        raw = tap.call("open", lambda name, _flags: TappedFile(name, raw_mode), file, os.O_WRONLY)
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **kwargs)

    return tapped_open
