"""The facts of this machine, gathered without importing anything heavy and without ever raising."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from env.machine.disks import Disk, disk
from env.machine.gpus import GpuSurvey, survey_gpus
from env.machine.hardware import Memory, Processor, memory, processor
from env.machine.load import busy_cores
from env.machine.programs import LupaFacts, find_programs, lupa_facts
from env.machine.source import Source, source
from env.machine.toolchain import NO_TOOLS, Toolchain, toolchain
from env.machine.torch_build import torch_cuda
from env.pins import CORE_LOCK, Pin, PinDifference, differences, installed_versions, read_pins
from env.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Shell:
    """Whether the run would end with this shell when the connection drops."""

    is_remote: bool
    multiplexer: str


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Everything ``probe`` found; ``env.requirements.judge`` says what it means.

    ``packages`` maps every installed package to its version; ``programs`` maps kind to path ("" = not installed);
    ``pin_note`` says why the pins could not be compared with those of ``locks``.
    ``busy_cores`` are those of the usable cores that other programs keep at work just now; None where nothing tells.
    ``torch_cuda`` is as env/machine/torch_build.py reports it; ``extras`` of the project install what the locks pin.
    """

    system: str
    python: str
    interpreter: str
    processor: Processor
    memory: Memory
    disk: Disk
    gpu: GpuSurvey
    packages: dict[str, str]
    pin_differences: tuple[PinDifference, ...]
    pin_note: str
    lupa: LupaFacts
    programs: dict[str, str]
    source: Source
    shell: Shell
    torch_cuda: str | None = None
    locks: tuple[Path, ...] = (CORE_LOCK,)
    extras: tuple[str, ...] = ("dev",)
    busy_cores: float | None = None
    toolchain: Toolchain = NO_TOOLS


def probe(
    results_folder: Path,
    source_folder: Path,
    locks: tuple[Path, ...] = (CORE_LOCK,),
    extras: tuple[str, ...] = ("dev",),
) -> MachineFacts:
    """Return the facts of this machine as seen by this process.

    Takes about 0.5 s, and up to 10 s more where a GPU driver hangs. What is unknown is None, "" or a note.
    """
    packages = installed_versions()
    pin_differences, pin_note = _compare_pins(locks, packages)
    return MachineFacts(
        system=system_name(),
        python=platform.python_version(),
        interpreter=sys.executable,
        processor=processor(),
        memory=memory(),
        disk=disk(results_folder),
        gpu=survey_gpus(),
        packages=packages,
        pin_differences=pin_differences,
        pin_note=pin_note,
        lupa=lupa_facts(packages),
        programs=find_programs(),
        source=source(source_folder),
        shell=shell(os.environ),
        torch_cuda=torch_cuda(),
        locks=locks,
        extras=extras,
        busy_cores=busy_cores(),
        toolchain=toolchain(),
    )


def system_name() -> str:
    """Return the operating system as text, such as "Debian GNU/Linux 12 (bookworm), Linux 6.1.0, x86_64"."""
    kernel = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}, {platform.machine()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel


def shell(environment: os._Environ[str] | dict[str, str]) -> Shell:
    """Return how this shell is attached, by its environment variables."""
    is_remote = any(name in environment for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"))
    multiplexer = "tmux" if environment.get("TMUX") else "screen" if environment.get("STY") else ""
    return Shell(is_remote, multiplexer)


def _compare_pins(locks: tuple[Path, ...], packages: dict[str, str]) -> tuple[tuple[PinDifference, ...], str]:
    try:
        pins: list[Pin] = [pin for lock in locks for pin in read_pins(lock)]
        return differences(tuple(pins), packages), ""
    except Refusal as refusal:
        return (), refusal.sentence
