"""The programs and Lua runtimes found on this machine, without starting or importing any of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# Debian puts game binaries here, and root's PATH leaves it out
_EXTRA_FOLDERS = ("/usr/games", "/usr/local/games", "/opt/luanti/bin", "/opt/minetest/bin", "/snap/bin")

# the dedicated server first: it needs no display
PROGRAMS: dict[str, tuple[str, ...]] = {
    "engine": ("luantiserver", "luanti-server", "minetestserver", "luanti", "minetest"),
    "luajit": ("luajit", "luajit-2.1"),
    "lua": ("lua5.1", "lua", "lua5.4", "lua5.3"),
    "bubblewrap": ("bwrap",),
    "tmux": ("tmux",),
    "node": ("node", "nodejs"),
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
}


@dataclass(frozen=True, slots=True)
class LupaFacts:
    """Whether lupa is importable here and which Lua runtimes it brings, such as "luajit21"."""

    version: str
    runtimes: tuple[str, ...]


def find_program(names: tuple[str, ...]) -> str:
    """Return the path of the first of ``names`` that is installed, or ""."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_EXTRA_FOLDERS])
    return next((path for name in names if (path := shutil.which(name, path=search))), "")


def find_programs() -> dict[str, str]:
    """Return the path of each program of ``PROGRAMS``, "" where it is not installed."""
    return {kind: find_program(names) for kind, names in PROGRAMS.items()}


def lupa_facts(installed: dict[str, str]) -> LupaFacts:
    """Return what lupa offers, by its files: importing it would load a Lua. ``installed`` maps package to version."""
    spec = importlib.util.find_spec("lupa")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for pattern in ("*.so", "*.pyd") for file in Path(folder).glob(pattern)]
    runtimes = {file.name.partition(".")[0] for file in files if file.name.startswith(("lua5", "luajit"))}
    return LupaFacts(installed.get("lupa", ""), tuple(sorted(runtimes)))
