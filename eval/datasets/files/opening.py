"""A file of rows opened by what it holds, whatever its name says: JSON lines, a JSON document or parquet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal
from eval.datasets.files.byte_lines import beginning, byte_lines, compression_of
from eval.datasets.files.documents import NoDocument, document_lines, holds_rows
from eval.datasets.files.json_lines import Line, line_of
from eval.datasets.files.parquet import MAGIC, parquet_lines


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is about to be read: what it is, in words, and its lines that are not blank, each read once."""

    what: str
    lines: Iterator[Line]


def open_rows(path: Path) -> Opened:
    """Return the rows of a file, which are read as they are asked for.

    Raises:
        Refusal: there is no such file, it is a pipe, an archive or UTF-16, or it is torn or damaged. What shows only
            later is raised while the lines are read.
    """
    if beginning(path).startswith(MAGIC):
        return Opened("parquet", parquet_lines(path))
    compression = compression_of(path)
    packed = f", {compression.name}" if compression is not None else ""
    if _may_be_document(path):
        try:
            what, lines = document_lines(path)
            return Opened(f"{what}{packed}", lines)
        except NoDocument as error:
            if _says_document(path):
                raise Refusal(f"{path}: {error}.", "Correct it; nothing was read.") from None
    return Opened(f"JSON lines{packed}", _json_lines(path))


def read_objects(path: Path) -> list[Line]:
    """Return the lines of ``path`` that are not blank. Raises Refusal as ``open_rows``."""
    return list(open_rows(path).lines)


def _json_lines(path: Path) -> Iterator[Line]:
    for line in byte_lines(path):
        if line.wrong:
            yield Line(line.number, {}, line.wrong)
        elif line.data.strip():
            yield line_of(line.number, line.data)


def _may_be_document(path: Path) -> bool:
    """Whether a file begins like one JSON document: its first line opens a value, and is no row by itself."""
    lines = (line for line in byte_lines(path) if line.wrong or line.data.strip())
    first = next(lines, None)
    if first is None or not first.data.lstrip().startswith((b"[", b"{")):
        return False
    read = line_of(first.number, first.data)
    return bool(read.wrong) or (_says_document(path) and holds_rows(read.values) and next(lines, None) is None)


def _says_document(path: Path) -> bool:
    return ".json" in path.suffixes
