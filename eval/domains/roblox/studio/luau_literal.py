"""JSON data as a Luau chunk that returns it: texts are escaped byte by byte, so that no text becomes program."""

from __future__ import annotations

from typing import Any

_PLAIN = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}


def chunk(data: Any) -> str:
    """Return "return ..." of ``data``; null is nil, so a list must not hold one."""
    return f"return {literal(data)}"


def literal(value: Any) -> str:
    """Return a Luau expression. Raises TypeError on what JSON does not know."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return "{" + ",".join(map(literal, value)) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"[{_text(str(key))}]={literal(part)}" for key, part in value.items()) + "}"
    raise TypeError(f"{type(value).__name__} is no JSON")


def _number(value: float) -> str:
    """Return a number as a double: what is beyond its range is infinite, as in JSON readers of the engine."""
    try:
        text = repr(float(value))
    except OverflowError:
        text = "inf" if value > 0 else "-inf"
    return {"inf": "(1/0)", "-inf": "(-1/0)", "nan": "(0/0)"}.get(text, f"({text})")


def _text(value: str) -> str:
    signs = (chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in value.encode("utf-8", "replace"))
    return '"' + "".join(signs) + '"'
