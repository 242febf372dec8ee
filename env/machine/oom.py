"""How often the kernel has killed for memory here, by its own counters, never inferred from a log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Innermost first: the container's own count, then the machine's.
_VERSION_1 = "sys/fs/cgroup/memory"


@dataclass(frozen=True, slots=True)
class OomKills:
    """``count`` of processes killed for memory since ``counter`` began; None where no counter exists."""

    count: int | None
    counter: str = ""


def oom_kills(root: Path = Path("/")) -> OomKills:
    """Return the kernel's count of memory kills, of our own cgroup where it has one, else of the machine."""
    own = _own_groups(root)
    places = [
        (root / "sys/fs/cgroup" / own.get("", "") / "memory.events", "this container's cgroup"),
        (root / _VERSION_1 / own.get("memory", "") / "memory.oom_control", "this container's cgroup"),
        (root / _VERSION_1 / "memory.oom_control", "this container's cgroup"),
        (root / "proc/vmstat", "this machine"),
    ]
    for path, counter in places:
        count = _counted(path)
        if count is not None:
            return OomKills(count, counter)
    return OomKills(None)


def _own_groups(root: Path) -> dict[str, str]:
    """Return our cgroup's path by controller; "" is version 2's."""
    groups = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in controllers.split(","):
            groups[name] = path.strip().strip("/")
    return groups


def _counted(path: Path) -> int | None:
    for line in _read(path).splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
