"""Adapter checkpoints on disk: a folder is one only if CHECKPOINT.json, written last, matches every file's SHA-256.

A killed save leaves a ".partial" folder, never a half "step-..." one. Not covered: two runs writing one folder (the run
lock rules that out), and bytes that change after they were verified.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.files import digest, make_folder, move, refusing, sha256_file, sync_folder, write_atomic, write_refusal
from env.refusal import Refusal
from env.space import DiskFull
from training.records import AdapterCheckpoint

SCHEMA_VERSION = 1
MANIFEST = "CHECKPOINT.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
QUARANTINE = "quarantine"

_STEP_NAME = re.compile(r"step-(\d{6,})$")
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class RejectedCheckpoint:
    """A folder that looks like a checkpoint but failed verification, with the reason."""

    folder: Path
    reason: str


@dataclass(frozen=True, slots=True)
class CheckpointScan:
    """What a checkpoints folder holds: ``verified`` by step, ``rejected`` by name."""

    verified: tuple[AdapterCheckpoint, ...]
    rejected: tuple[RejectedCheckpoint, ...]


def step_name(step: int) -> str:
    """Return the folder name of a step, such as "step-000100"."""
    return f"step-{step:06d}"


def list_checkpoints(folder: Path) -> CheckpointScan:
    """Return every checkpoint in ``folder``, each file of the verified ones hashed; no folder holds none."""
    verified, rejected = [], []
    for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
        if entry.name.endswith(_PARTIAL):
            rejected.append(RejectedCheckpoint(entry, "its save was interrupted before it was complete"))
        elif _STEP_NAME.match(entry.name):
            try:
                verified.append(read_checkpoint(entry))
            except Refusal as refusal:
                rejected.append(RejectedCheckpoint(entry, refusal.sentence))
    return CheckpointScan(tuple(sorted(verified, key=lambda found: found.step)), tuple(rejected))


def read_checkpoint(folder: Path) -> AdapterCheckpoint:
    """Return the checkpoint in ``folder`` after hashing its files.

    Raises:
        Refusal: the manifest is missing or invalid, a file is missing, or a file's bytes are not those saved.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise Refusal(f"{folder}: {name} is missing.")
        if sha256_file(path) != expected:
            raise Refusal(f"{folder}: {name} is not what was saved (its SHA-256 differs).")
    return AdapterCheckpoint(
        step=manifest["step"],
        folder=folder,
        digest=manifest["digest"],
        loss=math.nan if manifest["loss"] is None else manifest["loss"],
        scheduled=manifest["scheduled"],
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return CHECKPOINT.json of ``folder`` as plain data. Raises Refusal when it is missing, torn or invalid."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(f"{folder}: {MANIFEST} is missing, so its save was not completed.") from None
    except (OSError, ValueError) as error:
        raise Refusal(f"{folder}: {MANIFEST} cannot be read ({error}).") from None
    problem = _manifest_problem(manifest, folder.name)
    if problem:
        raise Refusal(f"{folder}: {MANIFEST} {problem}.")
    return dict(manifest)


def save_checkpoint(
    folder: Path, step: int, write_files: Callable[[Path], None], facts: Mapping[str, Any], scheduled: bool
) -> AdapterCheckpoint:
    """Save ``folder``/step-... durably and return it: after this returns it survives a power cut.

    Args:
        write_files: writes the adapter and the training state into the folder it is given.
        facts: goes into CHECKPOINT.json: "loss", "base" (identity digest), "lora", "train", "examples".
        scheduled: False for the extra checkpoint of a stop.

    Raises:
        Refusal: the disk is full, read-only or not writable for this user.
    """
    make_folder(folder)
    final = folder / step_name(step)
    partial = folder / f".{step_name(step)}.{os.getpid()}{_PARTIAL}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        write_files(partial)
        manifest = _write_manifest(partial, {"step": step, "scheduled": scheduled, **facts})
        os.rename(partial, final)
        sync_folder(folder)
    except BaseException as error:
        written_bytes = _folder_bytes(partial)
        shutil.rmtree(partial, ignore_errors=True)
        told = write_refusal(error, final, 0) if isinstance(error, OSError) else error
        if isinstance(told, DiskFull):
            told = told.needing(_expected_bytes(folder, written_bytes), "this checkpoint")
        raise told from None if told is error else error
    return AdapterCheckpoint(step, final, manifest["digest"], facts["loss"], scheduled)


def quarantine(folder: Path) -> tuple[str, ...]:
    """Move what ``list_checkpoints`` rejects into ``folder``/quarantine, each with a reason file; return the names."""
    return tuple(_move_away(folder, found) for found in list_checkpoints(folder).rejected)


def remove_checkpoint(checkpoint: AdapterCheckpoint) -> None:
    """Remove a checkpoint; killed midway it is left without its manifest, which a scan rejects."""
    with refusing(checkpoint.folder):
        (checkpoint.folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(checkpoint.folder)


def _expected_bytes(folder: Path, written_bytes: int) -> int:
    """Return how many bytes a checkpoint takes: the size of the last one, or what this one already has."""
    steps = sorted(entry for entry in folder.iterdir() if _STEP_NAME.match(entry.name))
    return max(written_bytes, _folder_bytes(steps[-1]) if steps else 0)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0


def _write_manifest(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Flush the files in ``folder``, write CHECKPOINT.json over them, and return it."""
    files = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    for name in files:
        _sync_file(folder / name)
    identity = digest({"weights": files[ADAPTER_WEIGHTS], "lora": facts["lora"]})
    manifest = {"schema_version": SCHEMA_VERSION, **facts, "digest": identity, "files": files}
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=2, allow_nan=False) + "\n")
    return manifest


def _move_away(folder: Path, found: RejectedCheckpoint) -> str:
    prison = folder / QUARANTINE
    make_folder(prison)
    name = found.folder.name.lstrip(".")
    target = prison / name
    number = 1
    while target.exists():
        number += 1
        target = prison / f"{name}.{number}"
    write_atomic(prison / f"{target.name}.reason.txt", found.reason + "\n")
    move(found.folder, target)
    return f"{found.folder.name}: {found.reason}"


def _manifest_problem(manifest: Any, folder_name: str) -> str:
    """Return why ``manifest`` is not a valid one, or ""."""
    if not isinstance(manifest, dict):
        return "is not an object"
    if manifest.get("schema_version") != SCHEMA_VERSION:
        return f"has schema {manifest.get('schema_version')!r}, this version reads {SCHEMA_VERSION}"
    kinds = {"step": int, "scheduled": bool, "digest": str, "base": str, "lora": dict, "files": dict}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            return f"lacks a valid {key!r}"
    if not {ADAPTER_WEIGHTS, ADAPTER_CONFIG} <= manifest["files"].keys():
        return "does not list the adapter's files"
    if not isinstance(manifest.get("loss"), int | float | None):
        return "lacks a valid 'loss'"
    named = _STEP_NAME.search(folder_name)
    if named and int(named[1]) != manifest["step"]:
        return f"is for step {manifest['step']}"
    return ""


def _sync_file(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
