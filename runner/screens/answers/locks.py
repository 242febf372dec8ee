"""How an environment differs from a lock file, in lines; and the header of a new lock."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from env.pins import LOCKS, find_lock, install_command
from env.wording.listing import listed_text
from runner.screens.ink import Line, line, write_lines
from training.backends import backend_of_lock

if TYPE_CHECKING:
    from env.pins import LockComparison

# Packages that are missing or not pinned matter less: one line of names each.
_SHOWN = 12


def print_lock_comparison(path: Path, found: LockComparison, stream: TextIO | None = None) -> None:
    """Write every changed package, the missing and unpinned ones in short, and the command that restores the lock."""
    write_lines(stream or sys.stdout, comparison_lines(path, found))


def comparison_lines(path: Path, found: LockComparison) -> list[Line]:
    """Return the lines of ``print_lock_comparison``."""
    if not found.changed:
        lines = [line(("✓ ", "good"), f"every installed package that {path} pins has the pinned version")]
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
            line("  Other versions may give other numbers; every report names the versions it was made with.", hang=2)
        )
    if found.changed or found.missing:
        lines.append(line(("next: ", "dim"), way_back(path)))
    return lines


def way_back(path: Path) -> str:
    """Return the command that installs the lock ``path``; for a lock of the project, with those it extends."""
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
        "A constraints file: it installs nothing; it sets which version of a package gets installed.",
    ]


def _names(title: str, names: tuple[str, ...]) -> list[Line]:
    if not names:
        return []
    return [line((f"  {len(names)} {title}: ", "dim"), listed_text(names, _SHOWN, where="--json"), hang=6)]
