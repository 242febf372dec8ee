"""The heartbeat: what a running gate is doing right now, in one small file replaced at most once a second.

It shows two things. That the process is alive: a thread writes a pulse whenever the gate is silent (loading a
model, a long bootstrap), so an old pulse means a dead or frozen process. That it makes progress: ``idle_s`` counts
from the last change of phase, count or tokens, whoever wrote the pulse. Not covered: a library call that holds the
interpreter's lock stops the thread too; from outside that looks like a frozen process.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from env.files import write_atomic
from env.machine.gpus import GpuUse, gpu_use
from env.machine.hardware import memory
from env.refusal import Refusal
from env.silence import repeating

MIN_INTERVAL_S = 1.0
# After this much silence the thread of ``kept_alive`` writes a pulse.
ALIVE_INTERVAL_S = 4.0
# Querying the driver starts a process, which is too expensive to do more often.
GPU_INTERVAL_S = 15.0
RATE_WINDOW = 60


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of a phase that generates.

    Attributes:
        drawn: so far in the phase: they grow inside a call, long before a sample is stored.
        left: about how many more until the phase's total.
        unstored: those of ``drawn`` that no stored sample holds yet: what a kill now would lose.
    """

    drawn: int
    left: int
    unstored: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """One heartbeat.

    Attributes:
        phase: what the gate is doing in a word or two ("loading model", "sampling").
        done, total: progress in ``unit`` within the phase; ``total`` 0 when unknown.
        rate, rate_over_s: ``unit`` a second over the last 60 pulses of the phase, and the seconds these span; None
            before the second pulse.
        tokens, tokens_per_s: tokens generated so far in the phase, and per second over the same pulses; None as
            ``rate``.
        tokens_unstored: those of ``tokens`` that no stored sample holds yet.
        eta_s: seconds left, by the tokens that are left at their rate, or else by ``rate``; None when unknown.
        rss_mb: resident memory of the process (on macOS its peak so far), MB.
        at: wall-clock time, seconds since 1970.
        ticks_s, clock: the same moment on a monotonic clock, and which clock of which boot that is.
        elapsed_s: seconds since the writer began.
        phase_s, idle_s: seconds since the phase began, and since phase, ``done`` or ``tokens`` last changed; both as of
            ``at``.
        supervisor_pid: the process that started this one; with ``host`` it identifies the session that wrote the pulse.
        free_gb: memory the machine (or its container) has left, GB (10^9).
        tmux, tmux_pane: $TMUX and $TMUX_PANE, where it runs in one; from these another shell finds the session.
        gpu_busy_pct, gpu_used_gb, gpu_total_gb: the GPUs this process may use; None where there is none.
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
    phase_s: float = 0.0
    idle_s: float = 0.0
    rate_over_s: float | None = None
    tokens: int = 0
    tokens_per_s: float | None = None
    tokens_unstored: int = 0
    supervisor_pid: int = 0
    tmux: str = ""
    tmux_pane: str = ""
    free_gb: float | None = None
    gpu_busy_pct: float | None = None
    gpu_used_gb: float | None = None
    gpu_total_gb: float | None = None


@dataclass(frozen=True, slots=True)
class _Stand:
    """What the gate last reported, and since when (on the monotonic clock)."""

    phase: str = "starting"
    done: int = 0
    total: int = 0
    unit: str = ""
    message: str = ""
    tokens: TokenCount | None = None
    phase_began_s: float = 0.0
    moved_s: float = 0.0


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
        self._stand = _Stand(phase_began_s=self._began_s, moved_s=self._began_s)
        self._gpu: GpuUse | None = None
        self._gpu_asked_s = float("-inf")
        self._is_kept_alive = False
        self._written_s: float | None = None
        self._written_phase: str | None = None
        self._recent: deque[tuple[float, int, int]] = deque(maxlen=RATE_WINDOW)
        self._turn = threading.Lock()
        self._supervisor_pid = os.getppid()

    def beat(
        self,
        phase: str,
        done: int = 0,
        total: int = 0,
        unit: str = "",
        message: str = "",
        tokens: TokenCount | None = None,
    ) -> bool:
        """Write a pulse; return False when it was skipped because the last one is less than a second old.

        The first pulse of a phase and the one that completes it (``done == total``) are always written. A skipped pulse
        still counts as progress.
        """
        with self._turn:
            now_s = self._clock_s()
            before = self._stand
            same_phase = phase == before.phase
            phase_began_s = before.phase_began_s if same_phase else now_s
            is_still = same_phase and (done, tokens) == (before.done, before.tokens)
            moved_s = before.moved_s if is_still else now_s
            self._stand = _Stand(phase, done, total, unit, message, tokens, phase_began_s, moved_s)
            is_new_phase = phase != self._written_phase
            if not (is_new_phase or 0 < total == done or self._is_older_than(MIN_INTERVAL_S, now_s)):
                return False
            drawn = tokens.drawn if tokens is not None else 0
            if is_new_phase or (self._recent and (done < self._recent[-1][1] or drawn < self._recent[-1][2])):
                self._recent.clear()
            self._recent.append((now_s, done, drawn))
            self._write(now_s)
            return True

    @contextmanager
    def kept_alive(self, interval_s: float = ALIVE_INTERVAL_S) -> Iterator[None]:
        """Write a pulse after every ``interval_s`` of silence inside the block, from a separate thread."""
        self._is_kept_alive = True
        with repeating(lambda: self._break_silence(interval_s), interval_s, at_once=True):
            try:
                yield
            finally:
                self._is_kept_alive = False

    def _break_silence(self, interval_s: float) -> None:
        if time.monotonic() - self._gpu_asked_s >= GPU_INTERVAL_S:
            self._gpu_asked_s, self._gpu = time.monotonic(), gpu_use()
        # A disk that rejects a pulse is reported by the gate, whose own next write fails there too.
        with suppress(Refusal), self._turn:
            now_s = self._clock_s()
            if self._is_older_than(interval_s, now_s) and self._is_kept_alive:
                self._write(now_s)

    def _write(self, now_s: float) -> None:
        stand, (rate, tokens_per_s, rate_over_s) = self._stand, _rates(self._recent)
        gpu = self._gpu or GpuUse(None, None, None)
        pulse = Pulse(
            pid=os.getpid(),
            host=socket.gethostname(),
            gate=self.gate,
            phase=stand.phase,
            done=stand.done,
            total=stand.total,
            unit=stand.unit,
            rate=rate,
            eta_s=_seconds_left(stand, rate, tokens_per_s),
            rss_mb=resident_mb(),
            message=stand.message,
            at=self._wall_s(),
            ticks_s=now_s,
            clock=clock_name(),
            elapsed_s=now_s - self._began_s,
            phase_s=round(now_s - stand.phase_began_s, 1),
            idle_s=round(now_s - stand.moved_s, 1),
            rate_over_s=rate_over_s,
            tokens=stand.tokens.drawn if stand.tokens is not None else 0,
            tokens_per_s=tokens_per_s,
            tokens_unstored=stand.tokens.unstored if stand.tokens is not None else 0,
            supervisor_pid=self._supervisor_pid,
            tmux=os.environ.get("TMUX", ""),
            tmux_pane=os.environ.get("TMUX_PANE", ""),
            free_gb=memory().available_gb,
            gpu_busy_pct=gpu.busy_pct,
            gpu_used_gb=gpu.used_gb,
            gpu_total_gb=gpu.total_gb,
        )
        write_atomic(self.path, json.dumps(asdict(pulse), allow_nan=False) + "\n")
        self._written_s, self._written_phase = now_s, stand.phase

    def _is_older_than(self, interval_s: float, now_s: float) -> bool:
        return self._written_s is None or now_s - self._written_s >= interval_s


def read_heartbeat(path: Path) -> Pulse | None:
    """Return the last pulse, or None without a valid one (a screen must not fail because of it)."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        told = {
            field.name: data[field.name] for field in fields(Pulse) if field.name in data or field.default is MISSING
        }
        return Pulse(**told)
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


def idle_for_s(pulse: Pulse, age: float) -> float:
    """Return for how many seconds phase, count and tokens have been what they are, of a pulse ``age`` seconds old."""
    return pulse.idle_s + age


def clock_gap_s(
    pulse: Pulse, clock_s: Callable[[], float] = time.monotonic, wall_s: Callable[[], float] = time.time
) -> float:
    """Return the difference between this machine's clock and the one the pulse was written by; 0.0 where they agree.

    On the boot that wrote it: how far the clock was set since (positive: ahead; a sleeping machine wakes ahead).
    Elsewhere only a pulse from the future shows a difference: the negative distance to it.
    """
    if pulse.clock and pulse.clock == clock_name():
        return wall_s() - (pulse.at + clock_s() - pulse.ticks_s)
    return min(0.0, wall_s() - pulse.at)


def clock_name() -> str:
    """Return which boot's monotonic clock this process reads; "" where that is unknown (then wall time is used)."""
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


def _rates(recent: deque[tuple[float, int, int]]) -> tuple[float | None, float | None, float | None]:
    """Return units a second, tokens a second where there are any, and over how many seconds."""
    if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
        return None, None, None
    (first_s, first_done, first_tokens), (last_s, last_done, last_tokens) = recent[0], recent[-1]
    over_s = last_s - first_s
    tokens_per_s = (last_tokens - first_tokens) / over_s if last_tokens else None
    return (last_done - first_done) / over_s, tokens_per_s, round(over_s, 1)


def _seconds_left(stand: _Stand, rate: float | None, tokens_per_s: float | None) -> float | None:
    if stand.tokens is not None and tokens_per_s:
        return stand.tokens.left / tokens_per_s
    return max(0, stand.total - stand.done) / rate if rate and stand.total else None
