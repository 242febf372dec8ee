"""Where an engine is installed: its dedicated server and its Lua builtin; both read in place, never copied."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from env.machine.programs import find_program
from env.refusal import Refusal

ENGINE_VARIABLE = "LUAGATE_ENGINE"
# Debian's program in /usr/games is a shell script with its own options: the binaries behind it come first.
SERVER_FILES = (
    "usr/libexec/luanti/luantiserver", "usr/lib/luanti/luantiserver", "usr/lib/minetest/minetestserver",
    "usr/local/bin/luantiserver", "usr/bin/luantiserver", "usr/bin/minetestserver", "bin/luantiserver",
    "bin/minetestserver",
)  # fmt: skip
SERVER_NAMES = ("luantiserver", "luanti-server", "minetestserver")
# "" is an engine that runs in the folder it was built in.
SHARE_FOLDERS = ("share/luanti", "share/games/luanti", "share/games/minetest", "share/minetest", "")
PREFIXES = ("usr", "usr/local", "")
LOADERS = ("lib64/ld-linux-*.so.*", "lib/ld-linux-*.so.*")
LIBRARY_FOLDERS = ("usr/local/lib", "usr/lib/*-linux-gnu*", "usr/lib64", "usr/lib")
VERSION_TIMEOUT_S = 10
FIX = (
    "Install Debian's luanti-server or minetest-server (sh env/debian.sh), name another engine by verifier.engine or "
    f"${ENGINE_VARIABLE}, or take verifier=recorder."
)


@dataclass(frozen=True, slots=True)
class Installation:
    """An engine; an empty path is a part that is not installed.

    Attributes:
        server: the dedicated server's program.
        builtin: the folder of its Lua.
        loader: the dynamic loader of the system it is installed in, where that is a separate folder.
        libraries: that system's folders of libraries.
    """

    server: str
    builtin: str
    loader: str = ""
    libraries: tuple[str, ...] = ()


def find_installation(wanted: str = "") -> Installation:
    """Return the engine ``wanted`` names, else the one of $LUAGATE_ENGINE, else the one installed on this machine.

    Args:
        wanted: a server's program, or a folder: of a system (as debootstrap makes it), a prefix, or a build.

    Raises:
        Refusal: an engine is named, and there is none.
    """
    named = wanted or os.environ.get(ENGINE_VARIABLE, "")
    if not named:
        return _of_this_machine()
    place = Path(named).expanduser().absolute()
    found = _of_program(str(place)) if place.is_file() else _in_folder(place)
    if not (found.server or found.builtin):
        raise Refusal(
            f"There is no engine in {place}, which {'verifier.engine' if wanted else ENGINE_VARIABLE} names.",
            "Name a server's program, or the folder of a system, a prefix or a build that has one.",
        )
    return found


def _of_this_machine() -> Installation:
    found = _in_folder(Path("/"))
    other = "" if found.server else find_program(SERVER_NAMES)
    return _of_program(other) if other else found


def _of_program(server: str) -> Installation:
    above = Path(server).resolve().parents
    return Installation(server, _builtin([*above[:3]], luanti_first="luanti" in Path(server).name))


def _in_folder(root: Path) -> Installation:
    server = next((str(root / file) for file in SERVER_FILES if (root / file).is_file()), "")
    loader = next((str(file) for pattern in LOADERS for file in sorted(root.glob(pattern))), "")
    builtin = _builtin([root / prefix for prefix in PREFIXES], luanti_first="minetest" not in Path(server).name)
    if root == Path("/") or not loader:
        return Installation(server, builtin)
    libraries = (str(folder) for pattern in LIBRARY_FOLDERS for folder in sorted(root.glob(pattern)))
    return Installation(server, builtin, loader, tuple(libraries))


def _builtin(prefixes: list[Path], luanti_first: bool) -> str:
    """Return builtin's folder: the one that has the server's own name, where both are there."""
    names = sorted(SHARE_FOLDERS, key=lambda name: ("minetest" in name) == luanti_first)
    folders = (prefix / name / "builtin" for name in names for prefix in prefixes)
    return next((str(folder) for folder in folders if (folder / "init.lua").is_file()), "")


def start_words(installation: Installation, loader: str = "") -> list[str]:
    """Return the words that start the server's program; ``loader`` is another place of its loader."""
    if not installation.loader:
        return [installation.server]
    libraries = ":".join(installation.libraries)
    return [loader or installation.loader, "--library-path", libraries, installation.server]


@cache
def engine_version(installation: Installation) -> str:
    """Return the version that the server reports, such as "5.6.1", else a package's, else builtin's digest."""
    return _told(installation) or _packaged(installation) or f"files-{_digest(Path(installation.builtin))}"


def _told(installation: Installation) -> str:
    if not installation.server:
        return ""
    command = [*start_words(installation), "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"(?:Luanti|Minetest) (\d+\.\d+\S*)", said)
    return found[1] if found else ""


def _packaged(installation: Installation) -> str:
    """Return the version of the Debian package that builtin's files belong to, in the system they are in."""
    builtin = Path(installation.builtin)
    for system in builtin.parents:
        records, owned = system / "var/lib/dpkg", f"\n/{builtin.relative_to(system)}\n"
        for file in sorted((records / "info").glob("*-data.list")):
            if owned in file.read_text(encoding="utf-8", errors="replace"):
                text = (records / "status").read_text(encoding="utf-8", errors="replace")
                found = re.search(rf"^Package: {file.stem}\n.*?^Version: (?:\d+:)?([\d.]+)", text, re.M | re.S)
                return found[1].rstrip(".") if found else ""
    return ""


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.lua")):
        digest.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:8]
