"""Lock files: which package versions a machine was measured with, and how the installed ones differ."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.files import write_atomic
from env.refusal import Refusal, choices_hint

LOCKS = Path(__file__).parent / "locks"
CORE_LOCK = LOCKS / "core.txt"
# The project itself, and what every environment contains.
_NOT_LOCKED = frozenset({"luagate", "pip", "setuptools", "wheel"})
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


@dataclass(frozen=True, slots=True)
class LockComparison:
    """How this environment differs from a lock.

    Attributes:
        changed: installed in another version than the pinned one.
        missing: pinned and not installed, as "name==version".
        unpinned: installed and not in the lock, as "name==version"; without the project and pip themselves.
    """

    changed: tuple[PinDifference, ...]
    missing: tuple[str, ...]
    unpinned: tuple[str, ...]


def find_lock(name: str) -> Path:
    """Return the lock of the project called ``name`` ("core"), or the file of that path. Raises Refusal without one."""
    named = LOCKS / f"{name}.txt"
    path = named if named.is_file() else Path(name).expanduser()
    if not path.is_file():
        known = sorted(lock.stem for lock in LOCKS.glob("*.txt"))
        raise Refusal(f"There is no lock {name!r}.", choices_hint(name, known) + " Or give a file.")
    return path


def compare(pins: tuple[Pin, ...], installed: Mapping[str, str]) -> LockComparison:
    """Return how ``installed`` (name -> version) differs from ``pins``; pure."""
    known = {pin.name for pin in pins} | _NOT_LOCKED
    return LockComparison(
        differences(pins, installed),
        tuple(f"{pin.name}=={pin.version}" for pin in pins if pin.name not in installed),
        tuple(f"{name}=={version}" for name, version in sorted(installed.items()) if name not in known),
    )


def install_command(locks: Sequence[Path], extras: Sequence[str] = ("dev",)) -> str:
    """Return the command that installs the project with ``extras`` in the versions of ``locks``."""
    shown = (lock.relative_to(LOCKS.parent.parent) if lock.parent == LOCKS else lock for lock in locks)
    return f"pip install {' '.join(f'-c {shlex.quote(str(lock))}' for lock in shown)} -e .[{','.join(extras)}]"


def write_lock(path: Path, installed: Mapping[str, str], header: Sequence[str]) -> int:
    """Write ``installed`` as a lock under comment lines; local versions ("+cpu") are cut. Return how many pins.

    Raises:
        Refusal: the file already exists, or cannot be written.
    """
    if path.exists():
        raise Refusal(f"{path} already exists.", "Give a file that does not exist yet.")
    kept = {name: version.partition("+")[0] for name, version in installed.items() if name not in _NOT_LOCKED}
    lines = [*(f"# {line}".rstrip() for line in header), *(f"{name}=={kept[name]}" for name in sorted(kept))]
    write_atomic(path, "\n".join(lines) + "\n")
    return len(kept)


def read_pins(path: Path) -> tuple[Pin, ...]:
    """Return the pins of a lock file.

    Raises:
        Refusal: it cannot be read, holds no pin, pins a package twice, or has lines that are not ``name==version``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise Refusal(f"{path}: not UTF-8 at byte {error.start}.", "A lock is a text of pins.") from None
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
    _require_once(pins, path)
    return tuple(pins)


def _require_once(pins: Sequence[Pin], path: Path) -> None:
    if not pins:
        raise Refusal(f"{path}: holds no pin.", "A lock has a line `name==version` for each package.")
    first: dict[str, int] = {}
    for pin in pins:
        if pin.name in first:
            raise Refusal(f"{path}: pins {pin.name} on line {first[pin.name]} and on line {pin.line}.", "Keep one.")
        first[pin.name] = pin.line


def installed_versions() -> dict[str, str]:
    """Return name → version of every package this interpreter can import, from metadata alone."""
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
