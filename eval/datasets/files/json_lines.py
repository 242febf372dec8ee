"""One line of JSON as an object, or what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank: its object, or ``wrong`` says why it has none; ``number`` counts from 1.

    In a JSON document and in parquet the elements are counted.
    """

    number: int
    values: dict[str, Any]
    wrong: str = ""


class _Pairs(list[tuple[str, Any]]):
    """The members of one JSON object in order, repeated keys included."""


class Unread(ValueError):
    """A value that is no JSON, or more than can be held; its message says which."""


def _no_constant(name: str) -> Any:
    raise Unread(f"{name}, which is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Unread(f"the number {digits[:20]}, which is too large")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_Pairs, parse_constant=_no_constant, parse_float=_finite)


def line_of(number: int, data: bytes) -> Line:
    """Return one line that is not blank."""
    return Line(number, *_read(data))


def _read(data: bytes) -> tuple[dict[str, Any], str]:
    """Return the object of one line, or what is wrong with it."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 at byte {error.start}"
    if "\0" in text:
        return {}, "holds NUL bytes: the file is damaged"
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        return {}, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
    except Unread as error:
        return {}, f"holds {error}"
    except (RecursionError, ValueError):  # ValueError: a number of more digits than Python converts
        return {}, "not a row: nested too deeply, or a number too long"
    return checked(value)


def checked(value: Any) -> tuple[dict[str, Any], str]:
    """Return what ``DECODER`` read as an object, or what is wrong with it."""
    if not isinstance(value, _Pairs):
        return {}, f"must be a JSON object, not {json_type(value)}"
    if len(dict(value)) < len(value):
        return {}, "a key appears twice"
    try:
        values = {key: _plain(part) for key, part in value}
    except Unread as error:
        return {}, str(error)
    return (values, "") if not (fault := text_fault(values)) else ({}, fault)


def text_fault(values: Any) -> str:
    """Return what in the texts of a row is no text; "" where all are."""
    sign = next(_no_text(values), "")
    if sign == "\0":
        return "holds a NUL character, \\u0000, which no program's text has"
    return f"holds half of a character, \\u{ord(sign):04x}, which is no text" if sign else ""


def _plain(value: Any) -> Any:
    """Return a value with its objects as dicts. Raises Unread where one repeats a key."""
    if isinstance(value, _Pairs):
        found = {key: _plain(part) for key, part in value}
        if len(found) < len(value):
            twice = next(key for number, (key, _) in enumerate(value) if key in dict(value[:number]))
            raise Unread(f'a key appears twice within it: "{twice}"')
        return found
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _no_text(value: Any) -> Iterator[str]:
    """Yield the signs in keys and texts that are none: NUL, and the halves that JSON's escapes can spell."""
    if isinstance(value, str):
        yield from (sign for sign in value if "\ud800" <= sign <= "\udfff" or sign == "\0")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _no_text(key)
            yield from _no_text(part)
    elif isinstance(value, list):
        for part in value:
            yield from _no_text(part)


def json_type(value: object) -> str:
    """Return what JSON calls the type of ``value``."""
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "text", list: "list"}
    return names.get(type(value), "object")
