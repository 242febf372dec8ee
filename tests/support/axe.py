"""axe-core, the checker of accessibility rules, run inside a page; npm fetches it once into a cache of the tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.chromium import Tab

VERSION = "4.10.3"
FETCH_S = 120


def _cached() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "luagate" / f"axe-core-{VERSION}.min.js"


@lru_cache
def axe_script() -> str:
    """Return axe-core's source; "" where it is not in the cache and npm cannot fetch it."""
    cached = _cached()
    if not cached.is_file() and shutil.which("npm"):
        _fetch(cached)
    return cached.read_text(encoding="utf-8") if cached.is_file() else ""


def _fetch(cached: Path) -> None:
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_S, check=False)
        except subprocess.TimeoutExpired:
            return
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or not packages:
            return
        with tarfile.open(packages[0]) as package:
            member = package.extractfile("package/axe.min.js")
            assert member is not None
            cached.parent.mkdir(parents=True, exist_ok=True)
            cached.write_bytes(member.read())


def violations(tab: Tab, least: tuple[str, ...] = ("serious", "critical")) -> list[str]:
    """Return a line for each element of the opened page that breaks a rule of one of the ``least`` impacts."""
    tab.value(f"{axe_script()}; undefined")
    found: list[dict[str, Any]] = json.loads(
        tab.value(
            "axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations.map(rule =>"
            " ({id: rule.id, impact: rule.impact, nodes: rule.nodes.map(node => node.html.slice(0, 160))}))))"
        )
    )
    return [
        f"{rule['impact']} {rule['id']}: {node}" for rule in found if rule["impact"] in least for node in rule["nodes"]
    ]
