"""The data files of a folder, in the order of their names, and what identifies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from env.files import sha256_file
from env.refusal import Refusal

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


def content_of(path: Path) -> Any:
    """Return the digest of a file, or those of a folder's data files by name."""
    if not path.is_dir():
        return sha256_file(path)
    return {file.relative_to(path).as_posix(): sha256_file(file) for file in files_of(path)}


def _matching(folder: Path, kinds: tuple[str, ...], deep: bool) -> list[Path]:
    endings = tuple(kind + packed for kind in kinds for packed in _PACKED)
    every = folder.rglob("*") if deep else folder.iterdir()
    return sorted(file for file in every if file.name.endswith(endings) and file.is_file())
