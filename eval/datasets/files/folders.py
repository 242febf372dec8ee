"""The files of a folder of rows or of tasks, in the order of their names, and what identifies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from env.files import sha256_file
from env.refusal import Refusal

# The datasets of the user's own files: rows whose checks follow from them, and tasks with checks.
ROWS, TASKS = "jsonl", "tasks"
YAML, LINES = (".yaml", ".yml"), (".jsonl", ".ndjson")
_KINDS = (".jsonl", ".ndjson", ".parquet")
_PACKED = ("", ".gz", ".bz2", ".xz", ".zst")


def files_of(path: Path) -> list[Path]:
    """Return the data files of a folder, or the one file that ``path`` is.

    Of a folder they are its ``*.jsonl``, ``*.ndjson`` and ``*.parquet`` files, compressed ones too; where there are
    none, its ``*.json`` files, which often describe data instead of holding it; where it has none of its own, those
    below it, as a data set of the hub keeps them.

    Raises:
        Refusal: the folder holds none.
    """
    if not path.is_dir():
        return [path]
    found = _matching(path, _KINDS, False) or _matching(path, (".json",), False) or _matching(path, _KINDS, True)
    if not found:
        raise Refusal(
            f"{path}: holds no *.jsonl file, nor *.json or *.parquet.", "Name a file of rows, or a folder of them."
        )
    return found


def task_files(path: Path) -> list[Path]:
    """Return the task files of a folder and those below it, by name; or the one file that ``path`` is.

    Raises:
        Refusal: there is none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in (*YAML, *LINES) and not file.is_dir())
    if not found:
        raise Refusal(
            f"{path}: holds no task file (*.yaml, *.jsonl).",
            "`python -m runner tasks new FILE` writes one to begin with.",
        )
    return found


def content_of(path: Path, are_tasks: bool = False) -> Any:
    """Return the digest of a file, or those of a folder's files of rows (or of tasks) by name."""
    if not path.is_dir():
        return sha256_file(path)
    files = task_files(path) if are_tasks else files_of(path)
    return {file.relative_to(path).as_posix(): sha256_file(file) for file in files}


def _matching(folder: Path, kinds: tuple[str, ...], deep: bool) -> list[Path]:
    endings = tuple(kind + packed for kind in kinds for packed in _PACKED)
    every = folder.rglob("*") if deep else folder.iterdir()
    return sorted(file for file in every if file.name.endswith(endings) and not file.is_dir())
