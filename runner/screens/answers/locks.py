"""How an environment differs from a lock file, in lines; and what a new lock says of itself."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from env.pins import LOCKS, find_lock, install_command
from runner.screens.ink import Line, line, write_lines
from runner.views.wording import listed_text
from training.backends import backend_of_lock

if TYPE_CHECKING:
    from env.pins import LockComparison

# What is merely not there, or not pinned, matters less: one line of names each.
_SHOWN = 12


def print_lock_comparison(path: Path, found: LockComparison, stream: TextIO | None = None) -> None:
    """Write every changed package, the missing and unpinned ones in short, and the command that goes back."""
    write_lines(stream or sys.stdout, comparison_lines(path, found))


def comparison_lines(path: Path, found: LockComparison) -> list[Line]:
    """Return the lines of ``print_lock_comparison``."""
    if not found.changed:
        lines = [line(("✓ ", "good"), f"every package that {path} pins and that is here has the pinned version")]
    else:
        width = max(len(item.name) for item in found.changed)
        differ = "package differs" if len(found.changed) == 1 else "packages differ"
        lines = [line(("✗ ", "no"), f"{len(found.changed)} {differ} from {path}")]
        lines += [
            line(f"    {item.name:<{width}}  {item.installed}", (f"   pinned {item.pinned}", "dim"))
            for item in found.changed
        ]
    lines += _names("pinned and not installed", found.missing) + _names("installed and not pinned", found.unpinned)
    if found.changed:
        lines.append(
            line("  Other versions may give other numbers; every report names those it was made with.", hang=2)
        )
    if found.changed or found.missing:
        lines.append(line(("next: ", "dim"), way_back(path)))
    return lines


def way_back(path: Path) -> str:
    """Return the command that brings an environment to the lock ``path``: of the project with all that go with it."""
    backend = backend_of_lock(path.stem) if path.parent == LOCKS else None
    if backend is None:
        return install_command([path])
    return install_command([find_lock(name) for name in backend.locks], backend.extras)


def lock_header(path: Path) -> list[str]:
    """Return the comment lines of a lock written on this machine."""
    return [
        f"The versions of a working machine: {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}.",
        "",
        f"  pip install -c {path} -e .[dev]",
        "",
        "A constraints file: it installs nothing, it says which version a package gets when something asks for it.",
    ]


def _names(title: str, names: tuple[str, ...]) -> list[Line]:
    if not names:
        return []
    return [line((f"  {len(names)} {title}: ", "dim"), listed_text(names, _SHOWN, where="--json"), hang=6)]
