"""How a module of luagate runs in another process of this interpreter, from whatever folder and installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def module_command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module; the folder it is started in is not imported from (-P)."""
    return [sys.executable, "-P", "-m", name, *arguments]


def module_environment() -> dict[str, str]:
    """Return this process's environment with our folders first on the import path."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
