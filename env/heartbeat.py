"""The heartbeat: what a running gate is doing right now, in one small file replaced at most once a second."""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from env.files import write_atomic

MIN_INTERVAL_S = 1.0
RATE_WINDOW = 60


@dataclass(frozen=True, slots=True)
class Pulse:
    """One heartbeat.

    Attributes:
        phase: what the gate is doing in a word or two ("loading model", "sampling").
        done, total: progress in ``unit`` within the phase; ``total`` 0 when unknown.
        rate: ``unit`` a second over the last 60 pulses of the phase; None until two pulses tell.
        eta_s: seconds left at that rate; None when unknown.
        rss_mb: resident memory of the process (on macOS its peak so far), MB.
        at: wall-clock time, seconds since 1970.
        ticks_s, clock: the same moment on a clock that never jumps, and which clock of which boot that is.
        elapsed_s: seconds since the writer began.
    """

    pid: int
    host: str
    gate: str
    phase: str
    done: int
    total: int
    unit: str
    rate: float | None
    eta_s: float | None
    rss_mb: float
    message: str
    at: float
    ticks_s: float
    clock: str
    elapsed_s: float


class Heartbeat:
    """Writes pulses of one gate to ``path``; ``clock_s`` and ``wall_s`` are replaceable for tests."""

    def __init__(
        self,
        path: Path,
        gate: str,
        clock_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.gate = gate
        self._clock_s = clock_s
        self._wall_s = wall_s
        self._began_s = clock_s()
        self._written_s: float | None = None
        self._written_phase: str | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW)

    def beat(self, phase: str, done: int = 0, total: int = 0, unit: str = "", message: str = "") -> bool:
        """Write a pulse; return False when it was skipped because the last one is less than a second old.

        The first pulse of a phase and the one that completes it (``done == total``) are always written.
        """
        now_s = self._clock_s()
        is_new_phase = phase != self._written_phase
        is_complete = 0 < total == done
        if not (is_new_phase or is_complete or self._is_due(now_s)):
            return False
        if is_new_phase or (self._recent and done < self._recent[-1][1]):
            self._recent.clear()
        self._recent.append((now_s, done))
        rate = _rate(self._recent)
        pulse = Pulse(
            pid=os.getpid(),
            host=socket.gethostname(),
            gate=self.gate,
            phase=phase,
            done=done,
            total=total,
            unit=unit,
            rate=rate,
            eta_s=max(0, total - done) / rate if rate and total else None,
            rss_mb=resident_mb(),
            message=message,
            at=self._wall_s(),
            ticks_s=now_s,
            clock=clock_name(),
            elapsed_s=now_s - self._began_s,
        )
        write_atomic(self.path, json.dumps(asdict(pulse), allow_nan=False) + "\n")
        self._written_s, self._written_phase = now_s, phase
        return True

    def _is_due(self, now_s: float) -> bool:
        return self._written_s is None or now_s - self._written_s >= MIN_INTERVAL_S


def read_heartbeat(path: Path) -> Pulse | None:
    """Return the last pulse, or None where there is none or the file is not one (a screen must not fail for it)."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        return Pulse(**{field.name: data[field.name] for field in fields(Pulse)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def age_s(
    pulse: Pulse, clock_s: Callable[[], float] = time.monotonic, wall_s: Callable[[], float] = time.time
) -> float:
    """Return how many seconds ago ``pulse`` was written, never negative.

    On the machine and boot that wrote it the monotonic clock decides, so that setting the time does not make a live
    gate look dead; elsewhere the wall clock does. A machine that slept counts the sleep only by the wall clock.
    """
    if pulse.clock and pulse.clock == clock_name():
        return max(0.0, clock_s() - pulse.ticks_s)
    return max(0.0, wall_s() - pulse.at)


def clock_name() -> str:
    """Return which boot's monotonic clock this process reads; "" where that cannot be told (then wall time serves)."""
    try:
        return "monotonic@" + Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def timestamp(seconds: float) -> str:
    """Return wall-clock seconds since 1970 as ISO 8601 UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def resident_mb() -> float:
    """Return this process's resident memory in MB (its peak where the present value is not available)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * resource.getpagesize() / 1e6, 1)
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def _rate(recent: deque[tuple[float, int]]) -> float | None:
    if len(recent) < 2:
        return None
    (first_s, first_done), (last_s, last_done) = recent[0], recent[-1]
    return None if last_s <= first_s else (last_done - first_done) / (last_s - first_s)
