"""A folder of JSON-lines files as one file: their rows in the order of their names, with lines counted through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from env.files import sha256_file
from env.refusal import Refusal
from eval.datasets.json_lines import read_objects
from eval.records import Remark, Row


@dataclass(frozen=True, slots=True)
class ReadRows:
    """The rows of a file, each with its 1-based line, and what in it was not used as it is.

    ``unlicensed`` are the sources in it whose licence does not allow training, waived ones too.
    """

    rows: tuple[Row, ...]
    remarks: tuple[Remark, ...]
    unlicensed: tuple[str, ...] = ()


def content_of(path: Path) -> Any:
    """Return the digest of a file, or those of a folder's files by name."""
    return {file.name: sha256_file(file) for file in _files(path)} if path.is_dir() else sha256_file(path)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def read_folder(folder: Path, read: Callable[[Path], ReadRows]) -> ReadRows:
    """Return the rows of a folder's ``*.jsonl`` files; a remark says which lines are whose.

    Raises:
        Refusal: there is no such file, or ``read`` refuses one.
    """
    rows: list[Row] = []
    remarks: list[Remark] = []
    places: list[str] = []
    unlicensed: set[str] = set()
    offset = 0
    for file in _files(folder):
        found = read(file)
        rows += [replace(row, line=row.line + offset) for row in found.rows]
        remarks += found.remarks
        unlicensed.update(found.unlicensed)
        count = max(line.number for line in read_objects(file))
        places.append(f"lines {offset + 1} to {offset + count}: {file.name}")
        offset += count
    if not places:
        raise Refusal(f"{folder}: holds no *.jsonl file.", "Name a JSON-lines file, or a folder of them.")
    told = f"{folder.name}: {len(places)} files, lines counted through"
    where = Remark("files read", told, "A line's number alone does not say its file.", "Nothing.", tuple(places))
    return ReadRows(tuple(rows), (where, *_together(remarks, folder.name)), tuple(sorted(unlicensed)))


def _together(remarks: Sequence[Remark], folder: str) -> Iterator[Remark]:
    """Yield one remark a subject: what the remarks on single files say is its evidence."""
    by_subject: dict[str, list[Remark]] = defaultdict(list)
    for remark in remarks:
        by_subject[remark.subject].append(remark)
    for own in by_subject.values():
        if len(own) == 1:
            yield own[0]
        else:
            evidence = tuple(line for remark in own for line in (remark.value, *remark.evidence))
            yield replace(own[0], value=f"{folder}: in {len(own)} files", evidence=evidence)
