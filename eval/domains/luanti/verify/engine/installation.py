"""Where the engine is installed: its dedicated server and its Lua builtin; both read in place, never copied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from env.machine.programs import find_program

# Debian's program in /usr/games is a shell script with options of its own: the binaries behind it come first.
SERVER_FILES = ("/usr/lib/luanti/luantiserver", "/usr/lib/minetest/minetestserver")
SERVER_NAMES = ("luantiserver", "luanti-server", "minetestserver")
SHARE_FOLDERS = (
    "/usr/share/games/luanti", "/usr/share/luanti", "/usr/share/games/minetest", "/usr/share/minetest",
    "/usr/local/share/luanti", "/usr/local/share/minetest",
)  # fmt: skip
FIX = "Install Debian's luanti-server or minetest-server (sh env/debian.sh), or take verifier=recorder."


@dataclass(frozen=True, slots=True)
class Installation:
    """The engine found on this machine; an empty path is a part that is not installed."""

    server: str
    builtin: str


def find_installation() -> Installation:
    """Return the dedicated server and the folder of builtin, each "" where it is not installed."""
    server = next((path for path in SERVER_FILES if Path(path).is_file()), "") or find_program(SERVER_NAMES)
    folders = (Path(folder) / "builtin" for folder in SHARE_FOLDERS)
    builtin = next((str(folder) for folder in folders if (folder / "init.lua").is_file()), "")
    return Installation(server, builtin)


def engine_version(installation: Installation) -> str:
    """Return the version in the package manager's files, such as "5.6.1"; "installed" where they have none."""
    for name in ("luanti", "minetest"):
        for file in sorted(Path("/var/lib/dpkg/info").glob(f"{name}*-data.list")):
            found = re.search(rf"^Package: {file.stem}\n.*?^Version: (?:\d+:)?([\d.]+)", _packages(), re.M | re.S)
            if found:
                return found[1].rstrip(".")
    return "installed"


def _packages() -> str:
    status = Path("/var/lib/dpkg/status")
    return status.read_text(encoding="utf-8", errors="replace") if status.is_file() else ""
