"""One JSON document as rows: an array of objects, or an object whose one list holds them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from eval.datasets.files.byte_lines import byte_lines
from eval.datasets.files.json_lines import DECODER, Line, Unread, checked

# A document is read whole, and takes about eight times its size in memory.
LARGEST_DOCUMENT_BYTES = 1024**3
# lists of objects that a single row may hold
_CONVERSATIONS = ("messages", "conversations", "prompt", "completion", "tools")


class NoDocument(ValueError):
    """The file is not one JSON document; the message says where it stops being one."""


def document_lines(path: Path) -> tuple[str, Iterator[Line]]:
    """Return what the document is, in words, and its rows, counted from 1.

    Raises:
        Refusal: it is too large, not UTF-8, or holds no list of rows.
        NoDocument: it is no JSON.
    """
    found = _document(path)
    rows, what = _rows(path, found)
    return what, (Line(number, *checked(row)) for number, row in enumerate(rows, start=1))


def holds_rows(values: Mapping[str, Any]) -> bool:
    """Whether an object's one list holds rows, and is not the conversation of a row."""
    lists = [key for key, value in values.items() if value and isinstance(value, list) and isinstance(value[0], dict)]
    return len(lists) == 1 and lists[0] not in _CONVERSATIONS


def _document(path: Path) -> Any:
    parts: list[bytes] = []
    size = 0
    for line in byte_lines(path):
        if line.wrong:
            raise NoDocument(f"line {line.number}: {line.wrong}")
        parts.append(line.data)
        size += len(line.data) + 1
        if size > LARGEST_DOCUMENT_BYTES:
            told = f"one JSON document of more than {LARGEST_DOCUMENT_BYTES // 1024**3} GB, which is read whole"
            raise Refusal(f"{path}: is {told}.", f"Write one object on each line: {_jq('.[]', path)}")
    try:
        return DECODER.decode(b"\n".join(parts).decode("utf-8"))
    except UnicodeDecodeError:
        raise NoDocument("not UTF-8") from None
    except json.JSONDecodeError as error:
        said = error.msg.removesuffix(" at")
        raise NoDocument(f"line {error.lineno}: not JSON: {said} at column {error.colno}") from None
    except Unread as error:
        raise NoDocument(f"holds {error}") from None
    except (RecursionError, ValueError):  # ValueError: a number of more digits than Python converts
        raise NoDocument("nested too deeply, or a number too long") from None


def _rows(path: Path, document: Any) -> tuple[list[Any], str]:
    """Return the elements that are rows, and what the document is."""
    if not hasattr(document, "index"):
        raise Refusal(f"{path}: is one JSON value, not rows.", "Give an array of objects, or one object on each line.")
    members = dict(document) if _is_object(document) else None
    if members is None:
        return list(document), f"one JSON array of {len(document)} elements, which count as lines"
    lists = {key: value for key, value in members.items() if _is_list_of_objects(value)}
    if len(lists) == 1:
        [(key, rows)] = lists.items()
        return rows, f'one JSON object whose "{key}" has {len(rows)} elements, which count as lines'
    raise Refusal(
        f"{path}: is one JSON object over several lines, not JSON lines.",
        f"Write one object on each line, for instance: {_jq('.', path)}",
    )


def _is_object(value: Any) -> bool:
    return type(value) is not list and isinstance(value, list)


def _is_list_of_objects(value: Any) -> bool:
    return type(value) is list and bool(value) and all(_is_object(part) for part in value)


def _jq(what: str, path: Path) -> str:
    return f"jq -c '{what}' {shlex.quote(str(path))} > rows.jsonl"
