"""The notation in which facts are stored: a line per member, a word per enum item.

A member is ``<name> <kind>[!flags][:type][(parameters)]``: ``Anchored p:boolean``, ``Mass p!r:float``,
``FindFirstChild m:Instance?(name:string,recursive:boolean=False)``, ``Touched e``. A parameter with ``=`` or a
type that ends in ``?`` may be left out. An item is its name, with ``=value`` where that is not one more
than the item before; an item whose value an earlier one has is a former name of that.
The same text is read here and, in the Luau world, by verify/world/facts.luau.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

KINDS = {"p": "property", "m": "method", "e": "event", "c": "callback", "f": "function", "k": "constant"}
FLAGS = {"Deprecated": "d", "Hidden": "h", "NotScriptable": "n", "ReadOnly": "r", "Yields": "y"}
CLASS_FLAGS = {"Deprecated": "d", "NotCreatable": "n", "Service": "s"}
_MEMBER = re.compile(
    r"(?P<name>\w+) (?P<kind>[a-z])(?:!(?P<flags>[a-z]+))?(?::(?P<type>[^(]*))?(?P<parameters>\(.*\))?"
)
_PLAIN_DEFAULT = re.compile(r"[\w.+-]*")


def member_line(
    kind: str, name: str, flags: str = "", type_name: str = "", parameters: Iterable[str] | None = None
) -> str:
    """Return a member's line; ``parameters`` are as parameter_text gives them, None for what is not called."""
    called = "" if parameters is None else f"({','.join(parameters)})"
    return f"{name} {kind}" + (flags and f"!{flags}") + (type_name and f":{type_name}") + called


def parameter_text(name: str, type_name: str, default: str | None) -> str:
    """Return one parameter; a default that is more than a word is kept as "there is one"."""
    if default is None:
        return f"{name}:{type_name}"
    return f"{name}:{type_name}={default if _PLAIN_DEFAULT.fullmatch(default) else ''}"


def read_member(line: str) -> tuple[str, str, str, str, list[tuple[str, str, str | None]] | None]:
    """Return kind letter, name, flags, type and parameters (name, type, default) of a line.

    Raises:
        ValueError: the line is not in the notation.
    """
    match = _MEMBER.fullmatch(line)
    if not match:
        raise ValueError(f"not a member: {line!r}")
    listed = match["parameters"]
    parameters = None if listed is None else [_parameter(text) for text in listed[1:-1].split(",") if text]
    return match["kind"], match["name"], match["flags"] or "", match["type"] or "", parameters


def _parameter(text: str) -> tuple[str, str, str | None]:
    name, _, rest = text.partition(":")
    type_name, equals, default = rest.partition("=")
    return name, type_name, default if equals else None


def read_items(text: str) -> Iterator[tuple[str, int]]:
    """Yield name and value of an enum's items."""
    value = -1
    for word in text.split():
        name, equals, number = word.partition("=")
        value = int(number) if equals else value + 1
        yield name, value
