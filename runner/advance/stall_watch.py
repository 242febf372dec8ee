"""Whether counted work still makes progress, compared with its own earlier pace."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

from env.heartbeat import Pulse
from gates.settings import WatchSection

# Intervals that define the pace: at least so many, and only the last ones.
_ENOUGH, _REMEMBERED = 3, 100


class StallWatch:
    """Watches pulses, and reports when a phase that counts units has counted none for too long.

    Time is the watcher's own monotonic clock: neither a clock that is set nor a machine that sleeps makes a stall.
    Phases that count nothing (loading a model) never stall: how long they may take is unknown.
    """

    def __init__(self, limits: WatchSection, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock_s = clock_s
        self._last: Pulse | None = None
        self._moved_s = clock_s()
        self._intervals: deque[float] = deque(maxlen=_REMEMBERED)

    def saw(self, pulse: Pulse) -> None:
        """Receive a new pulse."""
        last, self._last = self._last, pulse
        if last is not None and (last.phase, last.done, last.tokens) == (pulse.phase, pulse.done, pulse.tokens):
            return
        now_s = self._clock_s()
        if last is None or last.phase != pulse.phase:
            self._intervals.clear()
        else:
            self._intervals.append(now_s - self._moved_s)
        self._moved_s = now_s

    @property
    def limit_s(self) -> tuple[float, str]:
        """How long the present phase may count nothing, and why."""
        if len(self._intervals) < _ENOUGH:
            return self._limits.stall_first_s, "watch.stall_first_s"
        median_s = statistics.median(self._intervals)
        if self._limits.stall_factor * median_s > self._limits.stall_min_s:
            return self._limits.stall_factor * median_s, f"{self._limits.stall_factor:g} x the usual {median_s:.1f} s"
        return self._limits.stall_min_s, "watch.stall_min_s"

    def stall(self) -> str:
        """Return what has stalled in one sentence; "" while there is progress."""
        pulse = self._last
        if pulse is None or not 0 <= pulse.done < pulse.total:
            return ""
        silent_s = self._clock_s() - self._moved_s
        limit_s, basis = self.limit_s
        if silent_s <= limit_s:
            return ""
        where = f"{pulse.phase} {pulse.done}/{pulse.total} {pulse.unit}".rstrip()
        return f"stalled at {where}: no progress for {silent_s:.0f} s (limit {limit_s:.0f} s: {basis})"
