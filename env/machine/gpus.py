"""The accelerators of this machine, as reported by the driver's own tool, so that nothing heavy is imported."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from env.machine.hardware import memory, processor, sysctl

_QUERY = "name,memory.total,memory.free,driver_version,compute_cap"
_USE_QUERY = "memory.used,memory.total,utilization.gpu"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator. Memory in GB (10^9); ``compute_capability`` as CUDA counts it, 0.0 where that has no meaning."""

    name: str
    vram_gb: float
    free_gb: float | None
    driver: str
    compute_capability: float


@dataclass(frozen=True, slots=True)
class GpuSurvey:
    """The accelerators found, and why there are none when there are none."""

    gpus: tuple[Gpu, ...]
    note: str


@dataclass(frozen=True, slots=True)
class GpuUse:
    """What the GPUs do now, taken together: memory in GB (10^9), and of the busiest the percentage of time it works."""

    used_gb: float | None
    total_gb: float | None
    busy_pct: float | None


def gpu_use() -> GpuUse | None:
    """Return how busy the GPUs are that this process may use; None without nvidia-smi, or where it does not answer."""
    only = _visible()
    if shutil.which("nvidia-smi") is None or only is None:
        return None
    command = ["nvidia-smi", f"--query-gpu={_USE_QUERY}", "--format=csv,noheader,nounits", *only]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    return parse_gpu_use(result.stdout) if result.returncode == 0 else None


def parse_gpu_use(text: str) -> GpuUse | None:
    """Return the sum of memory and the highest load of nvidia-smi's CSV answer; None where no line is understood."""
    rows = [[_float(word.strip()) for word in line.split(",")] for line in text.splitlines()]
    rows = [row for row in rows if len(row) == 3]
    used, total, busy = ([value for row in rows if (value := row[column]) is not None] for column in range(3))
    if not total:
        return None
    return GpuUse(_gb(used), _gb(total), max(busy, default=None))


def survey_gpus() -> GpuSurvey:
    """Return the accelerators that this process may use; never raises, waits at most 10 s for a hanging driver."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        total_gb = memory().total_gb or 0.0
        most_gb = metal_gb(total_gb, sysctl("iogpu.wired_limit_mb"))
        note = f"memory is shared with the CPU, and Metal lets one program use about {most_gb:.1f} GB of it"
        return GpuSurvey((Gpu(processor().model, total_gb, most_gb, "metal", 0.0),), note)
    if shutil.which("nvidia-smi") is None:
        return GpuSurvey((), f"nvidia-smi is not installed{_other_makers()}")
    only = _visible()
    if only is None:
        return GpuSurvey((), "CUDA_VISIBLE_DEVICES hides every GPU")
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", *only]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return GpuSurvey((), "nvidia-smi did not answer in 10 s: the driver hangs")
    except OSError as error:
        return GpuSurvey((), f"nvidia-smi could not be started: {error.strerror}")
    if result.returncode:
        words = (result.stdout + result.stderr).strip().splitlines()
        return GpuSurvey((), f"nvidia-smi failed: {words[0] if words else f'exit code {result.returncode}'}")
    gpus = parse_nvidia_smi(result.stdout)
    return GpuSurvey(gpus, "" if gpus else "nvidia-smi lists no GPU")


def metal_gb(total_gb: float, wired_limit_mb: str) -> float:
    """Return about how much of a Mac's memory Metal lets a program use (its recommendedMaxWorkingSetSize), in GB.

    As macOS reports it: two thirds up to 36 GB, three quarters above; ``wired_limit_mb`` is the administrator's own.
    """
    if wired_limit_mb.isdigit() and int(wired_limit_mb):
        return round(int(wired_limit_mb) * 2**20 / 1e9, 2)
    return round(total_gb * (2 / 3 if total_gb <= 36 * 2**30 / 1e9 else 3 / 4), 2)


def _other_makers(root: Path = Path("/")) -> str:
    """Return what to say of a GPU of another maker, by the devices of its driver; "" without one."""
    if (root / "dev/kfd").exists() or shutil.which("rocminfo"):
        return "; there is an AMD GPU: ROCm was never tried, so it is neither counted nor promised to work"
    if shutil.which("xpu-smi"):
        return "; there is an Intel GPU: luagate computes on NVIDIA and Apple GPUs and on CPUs alone"
    return ""


def _visible() -> list[str] | None:
    """Return the option that narrows nvidia-smi to the GPUs of CUDA_VISIBLE_DEVICES; None where that names none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return []
    # CUDA reads the list up to the first invalid number
    named = visible.replace(" ", "").partition("-1")[0].strip(",")
    return [f"--id={named}"] if named else None


def parse_nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of nvidia-smi's CSV answer to our query; lines it does not understand are left out."""
    gpus = []
    for line in text.splitlines():
        words = [word.strip() for word in line.split(",")]
        total_gb = _mib_as_gb(words[1]) if len(words) == 5 else None
        if total_gb is None:
            continue
        name, _, free, driver, capability = words
        gpus.append(Gpu(name, total_gb, _mib_as_gb(free), driver, _float(capability) or 0.0))
    return tuple(gpus)


def _mib_as_gb(text: str) -> float | None:
    number = _float(text)
    return None if number is None else _gb([number])


def _gb(mebibytes: list[float]) -> float | None:
    return round(sum(mebibytes) * 2**20 / 1e9, 2) if mebibytes else None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
