"""Which version of the source code is running: the git commit, and whether the files differ from it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from env.installed.version import VERSION


@dataclass(frozen=True, slots=True)
class Source:
    """Which code runs.

    ``commit`` is "" outside a work tree or before the first commit; ``changed`` lists paths that differ from it.
    ``is_installed``: it is an installed package, without a work tree.
    """

    commit: str
    changed: tuple[str, ...]
    note: str = ""
    is_installed: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return self.note or "no commit"
        return self.commit[:10] + (f" + {len(self.changed)} changed files" if self.changed else "")


def source(folder: Path) -> Source:
    """Return the commit of ``folder`` and its changed tracked files; never raises, takes at most 5 s.

    An installed luagate has no work tree: its source is what the installer recorded, whatever repository contains its
    folder.
    """
    if folder.name == "_tree":
        return _installed_source()
    # --no-optional-locks: looking must not take the index lock from someone's commit
    command = ["git", "-C", str(folder), "--no-optional-locks", "status", "--porcelain=v2", "--branch", "-uno", "-z"]
    try:
        result = subprocess.run(command, capture_output=True, timeout=5, check=False)
    except FileNotFoundError:
        return Source("", (), "git is not installed")
    except (OSError, subprocess.TimeoutExpired):
        return Source("", (), "git gave no answer")
    if result.returncode:
        return Source("", (), "not a git work tree")
    return parse_status(result.stdout.decode("utf-8", "replace"))


def _installed_source() -> Source:
    """Return the commit that pip recorded for an install from a git address; else the version as a note."""
    try:
        recorded = json.loads(distribution("luagate").read_text("direct_url.json") or "{}")
        return Source(str(recorded["vcs_info"]["commit_id"]), (), is_installed=True)
    except (PackageNotFoundError, KeyError, TypeError, ValueError):
        return Source("", (), f"luagate {VERSION}", is_installed=True)


def parse_status(text: str) -> Source:
    """Return the source facts in the answer of ``git status --porcelain=v2 --branch -z``."""
    commit, changed = "", []
    records = iter(text.split("\0"))
    for record in records:
        if record.startswith("# branch.oid "):
            commit = record.removeprefix("# branch.oid ")
        elif record.startswith("1 "):
            changed.append(record.split(" ", 8)[8])
        elif record.startswith("2 "):
            changed.append(record.split(" ", 9)[9])
            next(records, None)  # a rename is followed by its old path
        elif record.startswith("u "):
            changed.append(record.split(" ", 10)[10])
    if commit == "(initial)":
        return Source("", tuple(changed), "no commit yet")
    return Source(commit, tuple(changed))
