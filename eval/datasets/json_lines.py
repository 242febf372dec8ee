"""A file of JSON lines as objects with their lines, and every line that is none with what is wrong with it."""

from __future__ import annotations

import codecs
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.files import refuse_device_or_pipe
from env.refusal import Refusal

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank: its object, or ``wrong`` says why it has none; ``number`` counts from 1."""

    number: int
    values: dict[str, Any]
    wrong: str = ""


class _Pairs(list[tuple[str, Any]]):
    """The members of one JSON object in order, repeated keys included."""


def read_objects(path: Path) -> list[Line]:
    """Return the lines of ``path`` that are not blank. A byte-order mark is tolerated.

    Raises:
        Refusal: the file cannot be read, is a pipe, is UTF-16, or is one JSON document instead of one on each line.
    """
    data = _read_bytes(path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refusal(f"{path}: is UTF-16, not UTF-8.", "Save it as UTF-8.")
    data = data.removeprefix(_BOM)
    _refuse_document(path, data)
    return list(_lines(data))


def _read_bytes(path: Path) -> bytes:
    refuse_device_or_pipe(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Refusal(f"{path}: no such file.", "Set the dataset's path to a JSON-lines file.") from None
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror}).", "Set the dataset's path to a file.") from None


def _refuse_document(path: Path, data: bytes) -> None:
    """Raise Refusal where the file is one JSON array or one object over several lines."""
    is_several_lines = b"\n" in data.strip()
    if not data.lstrip().startswith((b"[", b"{") if is_several_lines else b"["):
        return
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(document, list):
        what, fix = f"one JSON array of {len(document)} elements", f"jq -c '.[]' {shlex.quote(str(path))} > rows.jsonl"
    else:
        what, fix = "one JSON object over several lines", f"jq -c . {shlex.quote(str(path))} > rows.jsonl"
    raise Refusal(f"{path}: is {what}, not JSON lines.", f"Write one object on each line, for instance: {fix}")


def _lines(data: bytes) -> Iterator[Line]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            values, wrong = _object(line)
            yield Line(number, values, wrong)


def _object(line: bytes) -> tuple[dict[str, Any], str]:
    """Return the object of one line, or what is wrong with it."""
    try:
        pairs = json.loads(line.decode("utf-8"), object_pairs_hook=_Pairs)
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        return {}, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
    except (RecursionError, ValueError):  # ValueError: a number of more digits than Python converts
        return {}, "not a row: nested too deeply, or a number too long"
    if not isinstance(pairs, _Pairs):
        return {}, f"must be a JSON object, not {json_type(pairs)}"
    if len(dict(pairs)) < len(pairs):
        return {}, "a key appears twice"
    values = {key: _plain(value) for key, value in pairs}
    surrogate = next(_lone_surrogates(values), "")
    return ({}, f"holds half of a character, \\u{ord(surrogate):04x}, which is no text") if surrogate else (values, "")


def _plain(value: Any) -> Any:
    """Return a value with its objects as dicts."""
    if isinstance(value, _Pairs):
        return {key: _plain(part) for key, part in value}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _lone_surrogates(value: Any) -> Iterator[str]:
    """Yield the surrogates in keys and texts: JSON's escapes can spell half of a character, UTF-8 cannot."""
    if isinstance(value, str):
        yield from (sign for sign in value if "\ud800" <= sign <= "\udfff")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _lone_surrogates(key)
            yield from _lone_surrogates(part)
    elif isinstance(value, list):
        for part in value:
            yield from _lone_surrogates(part)


def json_type(value: object) -> str:
    """Return what JSON calls the type of ``value``."""
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "text", list: "list"}
    return names.get(type(value), "object")
