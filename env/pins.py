"""The lock file: which package versions the project was measured with, and which installed ones differ."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal

CORE_LOCK = Path(__file__).parent / "locks" / "core.txt"
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_-]+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One line ``name==version`` of a lock file; names are in pip's normal form."""

    name: str
    version: str
    line: int


@dataclass(frozen=True, slots=True)
class PinDifference:
    """A package installed in another version than the pinned one."""

    name: str
    pinned: str
    installed: str

    def __str__(self) -> str:
        return f"{self.name} {self.installed}, pinned {self.pinned}"


def read_pins(path: Path) -> tuple[Pin, ...]:
    """Return the pins of a lock file. Raises Refusal naming every line that is not ``name==version``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror}).", "Restore it from the repository.") from None
    pins, wrong = [], []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        match = _PIN.fullmatch(text)
        if match:
            pins.append(Pin(normal_name(match[1]), match[2], number))
        elif text:
            wrong.append(number)
    if wrong:
        where = ", ".join(map(str, wrong))
        raise Refusal(f"{path}: not `name==version` on line {where}.", "A lock holds pins only: no paths, no URLs.")
    return tuple(pins)


def installed_versions() -> dict[str, str]:
    """Return name → version of every package this interpreter can import, by metadata alone."""
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        # the first on the path is the one that would be imported; a half-deleted package has no name
        if name:
            versions.setdefault(normal_name(name), distribution.version)
    return versions


def differences(pins: tuple[Pin, ...], installed: Mapping[str, str]) -> tuple[PinDifference, ...]:
    """Return the installed packages whose version is not the pinned one; what is not installed does not differ.

    A local version such as ``2.13.0+cpu`` is the pinned ``2.13.0``: the same source in another build.
    """
    return tuple(
        PinDifference(pin.name, pin.version, installed[pin.name])
        for pin in pins
        if pin.name in installed and pin.version not in (installed[pin.name], installed[pin.name].partition("+")[0])
    )


def normal_name(name: str) -> str:
    """Return a package name in pip's normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
