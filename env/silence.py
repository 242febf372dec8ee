"""No command is silent for long: while one works, a thread tells on standard error what it does, and for how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TextIO

# What comes every seven and a half seconds leaves no silence of ten, a slow start of the thread included.
INTERVAL_S = 7.5


@contextmanager
def repeating(act: Callable[[], None], interval_s: float, at_once: bool = False) -> Iterator[None]:
    """Call ``act`` every ``interval_s`` inside the block, from a thread of its own; first after it, or ``at_once``."""
    ended = threading.Event()

    def repeat() -> None:
        if at_once:
            act()
        while not ended.wait(interval_s):
            act()

    thread = threading.Thread(target=repeat, name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # what hangs in the thread must not keep the block from ending
        thread.join(timeout=1.0)


class Work:
    """What a command is doing now; ``tell`` writes it with for how long, and how far it is where that is counted."""

    def __init__(self, part: str, stream: TextIO | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock_s = stream, clock_s
        self._has_ended = False
        self.turn_to(part)

    def turn_to(self, part: str) -> None:
        """The next part of the work begins."""
        self._part, self._count, self._began_s = part, "", self._clock_s()

    def reach(self, done: int, total: int, unit: str) -> None:
        """So much of the part is done."""
        self._count = f", {done:,} of {total:,} {unit}"

    def end(self) -> None:
        """Tell nothing more."""
        self._has_ended = True

    def tell(self) -> None:
        """Write one line to standard error; nothing where that is closed or its reader gone."""
        stream = self._stream or sys.stderr
        if self._has_ended or stream is None:
            return
        with suppress(OSError, ValueError):
            stream.write(f"still {self._part}{self._count}, for {self._clock_s() - self._began_s:.0f} s\n")
            stream.flush()


_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


@contextmanager
def told(part: str, stream: TextIO | None = None, interval_s: float | None = None) -> Iterator[None]:
    """Tell what is done inside the block for as long as it lasts; ``part`` follows "still", as in "reading samples"."""
    work = Work(part, stream)
    before = _CURRENT.set(work)
    with repeating(work.tell, INTERVAL_S if interval_s is None else interval_s):
        try:
            yield
        finally:
            work.end()
            _CURRENT.reset(before)


def turn_to(part: str) -> None:
    """What the command that is being told does from now on; nothing where none is."""
    if work := _CURRENT.get():
        work.turn_to(part)


def reach(done: int, total: int, unit: str) -> None:
    """So much of the current part is done."""
    if work := _CURRENT.get():
        work.reach(done, total, unit)


def hand_over() -> None:
    """Tell nothing more of the current command: what follows has a screen of its own."""
    if work := _CURRENT.get():
        work.end()
