"""A folder of data files as one file: their rows in the order of their names, with lines counted through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.datasets.files.folders import files_of
from eval.records import Remark, Row


@dataclass(frozen=True, slots=True)
class ReadRows:
    """The rows of a file, each with its 1-based line, and what in it was not used as it is.

    ``unlicensed`` are the sources in it whose licence does not allow training, waived ones too; ``last_line`` is the
    number of the last line that is not blank, ``notes`` what the file was read as.
    """

    rows: tuple[Row, ...]
    remarks: tuple[Remark, ...]
    unlicensed: tuple[str, ...] = ()
    last_line: int = 0
    notes: tuple[str, ...] = ()


def read_folder(folder: Path, read: Callable[[Path], ReadRows]) -> ReadRows:
    """Return the rows of a folder's data files; a remark says which lines are whose.

    Raises:
        Refusal: there is no such file, or ``read`` refuses one.
    """
    rows: list[Row] = []
    remarks: list[Remark] = []
    places: list[str] = []
    notes: list[str] = []
    unlicensed: set[str] = set()
    offset = 0
    for file in files_of(folder):
        found = read(file)
        rows += [replace(row, line=row.line + offset) for row in found.rows]
        remarks += found.remarks
        notes += found.notes
        unlicensed.update(found.unlicensed)
        places.append(f"lines {offset + 1} to {offset + found.last_line}: {file.name}")
        offset += found.last_line
    told = f"{folder.name}: {len(places)} files, lines counted through"
    where = Remark("files read", told, "A line's number alone does not say its file.", "Nothing.", tuple(places))
    told_once = (where, *_together(remarks, folder.name))
    return ReadRows(tuple(rows), told_once, tuple(sorted(unlicensed)), offset, tuple(notes))


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
