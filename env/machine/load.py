"""How busy the processors are that this process may use: what other programs take of them, measured over a moment."""

from __future__ import annotations

import os
import time
from pathlib import Path

from env.machine.hardware import processor

# Long enough for ten ticks of the kernel's clock, short enough to wait for.
MOMENT_S = 0.3


def busy_cores(seconds: float = MOMENT_S, root: Path = Path("/")) -> float | None:
    """Return how many of its usable cores others took while this process slept; None where nothing tells.

    A container's quota is not taken as long as that many cores are idle. Where the kernel counts no time per core
    (macOS), the load average of the last minute stands in for it.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    before = _ticks(root, usable)
    if not before:
        return _load_average()
    time.sleep(seconds)
    after = _ticks(root, usable)
    shares = [
        (after[core][0] - busy) / (after[core][1] - total)
        for core, (busy, total) in before.items()
        if core in after and after[core][1] > total
    ]
    idle = len(shares) - sum(shares)
    return round(max(0.0, processor(root).usable - idle), 2) if shares else None


def _ticks(root: Path, usable: set[int] | None) -> dict[int, tuple[int, int]]:
    """Return (busy, all) ticks by core, since the machine was started; {} where /proc/stat does not tell."""
    try:
        lines = (root / "proc/stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    found = {}
    for line in lines:
        name, *words = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and (usable is None or int(name[3:]) in usable):
            # user nice system idle iowait irq softirq steal; guests are counted in user already
            counts = [int(word) for word in words[:8]]
            found[int(name[3:])] = (sum(counts) - sum(counts[3:5]), sum(counts))
    return found


def _load_average() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None
