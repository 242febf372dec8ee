"""Processor and memory: what the machine has and what this process may use of it."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CGROUP = "sys/fs/cgroup"
# cgroup v1 writes "no limit" as a number near 2**63
_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class Processor:
    """``usable`` cores are what affinity and the container's CPU quota leave; ``limited_by`` says what limits them."""

    model: str
    cores: int
    usable: float
    limited_by: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes as GB (10^9). ``available_gb`` counts what can be taken without swapping, within the container's limit.

    None is "unknown on this platform".
    """

    total_gb: float | None
    available_gb: float | None
    limited_by: str


def processor(root: Path = Path("/")) -> Processor:
    """Return the processor's facts; ``root`` is the folder that holds /proc and /sys."""
    cores = os.cpu_count() or 1
    candidates = [(float(cores), "")]
    if hasattr(os, "sched_getaffinity"):
        candidates.append((float(len(os.sched_getaffinity(0))), "CPU affinity"))
    quota = _cpu_quota(root)
    if quota is not None:
        candidates.append((quota, "cgroup CPU quota"))
    usable, limited_by = min(candidates, key=lambda candidate: candidate[0])
    return Processor(_cpu_model(root), cores, round(usable, 2), limited_by)


def bfloat16_unit(root: Path = Path("/")) -> str:
    """Return the instructions by which the processor multiplies in bfloat16, "amx_bf16" first; "" where it has none."""
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return next((unit for unit in ("amx_bf16", "avx512_bf16") if unit in value.split()), "")
    return ""


def memory(root: Path = Path("/")) -> Memory:
    """Return the memory's facts; ``root`` is the folder that holds /proc and /sys."""
    table = _meminfo(root)
    if not table:
        return Memory(_gb(_number(sysctl("hw.memsize"))), None, "")
    total, available = table.get("MemTotal"), table.get("MemAvailable")
    limits = [limit for limit in _memory_limits(root) if total is None or limit[0] < total]
    if not limits:
        return Memory(_gb(total), _gb(available), "")
    limit, used = min(limits, key=lambda pair: pair[0] - pair[1])
    left = max(0, limit - used)
    return Memory(_gb(limit), _gb(min(left, available if available is not None else left)), "cgroup memory limit")


def _gb(count: int | None) -> float | None:
    return None if count is None else round(count / 1e9, 2)


def _meminfo(root: Path) -> dict[str, int]:
    table = {}
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            table[name] = int(words[0]) * 1024
    return table


def _cpu_model(root: Path) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return " ".join(value.split())
    return sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _cpu_quota(root: Path) -> float | None:
    """Return the container's CPU quota in cores: the tightest of our cgroup (v2) and its parents, or v1's."""
    quotas = []
    for folder in _cgroup_folders(root):
        words = _read(folder / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            quotas.append(int(words[0]) / int(words[1]))
    quota = _number(_read(root / _CGROUP / "cpu/cpu.cfs_quota_us"))
    period = _number(_read(root / _CGROUP / "cpu/cpu.cfs_period_us"))
    if quota and period:
        quotas.append(quota / period)
    return min(quotas, default=None)


def _memory_limits(root: Path) -> list[tuple[int, int]]:
    """Return (limit, in use) in bytes of every cgroup that holds us and has a limit."""
    files = [(folder / "memory.max", folder / "memory.current") for folder in _cgroup_folders(root)]
    version_1 = root / _CGROUP / "memory"
    files.append((version_1 / "memory.limit_in_bytes", version_1 / "memory.usage_in_bytes"))
    pairs = [(_number(_read(limit)), _number(_read(used)) or 0) for limit, used in files]
    return [(limit, used) for limit, used in pairs if limit is not None and limit < _NO_LIMIT_BYTES]


def _cgroup_folders(root: Path) -> list[Path]:
    """Return our cgroup v2 folder and its parents, innermost first."""
    top = root / _CGROUP
    own = ""
    for line in _read(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            own = line[3:].strip("/")
    parts = own.split("/") if own else []
    return [top.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def sysctl(name: str) -> str:
    """Return a value of macOS' kernel; "" where there is none, and on other systems."""
    if platform.system() != "Darwin":
        return ""
    try:
        result = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()
