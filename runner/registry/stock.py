"""The exports of a registry: named by the digest of their files, checked byte by byte, linked atomically."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from env.files import digest, make_folder, refusing, sha256_file, sync_folder
from env.refusal import Refusal
from env.silence import turn_to
from runner.release.export import CARD, PROVENANCE

_DIGITS = 12


def content_digest(export: Path) -> str:
    """Return the digest of an export's files by name, without its card and provenance, which name times and folders.

    Raises:
        Refusal: a file cannot be read.
    """
    with refusing(export):
        files = {path.name: sha256_file(path) for path in sorted(export.iterdir()) if path.is_file()}
    return digest({name: value for name, value in files.items() if name not in (CARD, PROVENANCE)})


def export_name(run: str, cell: str, export: Path) -> str:
    """Return what an export is called in the registry: run, cell, and the digest of its files."""
    return f"{run}_{cell}-{content_digest(export)[:_DIGITS]}"


def damage(export: Path) -> str:
    """Return what is wrong with the bytes of an export, in words; "" where every file is the one that was exported."""
    turn_to(f"comparing the bytes of {export.name}")
    if not export.is_dir():
        return "its folder is gone"
    try:
        stored = json.loads((export / PROVENANCE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{PROVENANCE} is missing or cannot be read"
    there = {path.name for path in export.iterdir()} - {PROVENANCE}
    if missing := sorted(stored.keys() - there):
        return f"{missing[0]} is missing"
    if more := sorted(there - stored.keys()):
        return f"{more[0]} was not exported"
    changed = [name for name, value in stored.items() if sha256_file(export / name) != value]
    if changed:
        return f"{changed[0]} has other bytes"
    return "" if export.name.endswith(content_digest(export)[:_DIGITS]) else "its name has another digest"


def point(link: Path, target: Path) -> None:
    """Make ``link`` lead to ``target``, a folder below the link's own; a reader finds the old or the new one, always.

    Raises:
        Refusal: the link cannot be written.
    """
    make_folder(link.parent)
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}.tmp")
    with refusing(link):
        if link.exists() and not link.is_symlink():
            raise Refusal(f"{link} is no link.", "Move it away.")
        os.symlink(os.path.relpath(target, link.parent), temporary)
        try:
            os.replace(temporary, link)
        except BaseException:
            os.unlink(temporary)
            raise
        sync_folder(link.parent)
