"""Findings: where a program's definitions use fields, types or ranges that the API does not define."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice

from eval.domains.luanti.verify.field_facts import CHOICE_SINCE, FIELDS, SINCE, SUCCESSORS, Field

MOST_FINDINGS = 50
NAMED = {"s": "text", "n": "a number", "b": "a boolean", "t": "a table", "f": "a function", "u": "an object"}
LIKENESS = 0.75  # of difflib: "tile" is like "tiles", "lights" is not like "light_source"
# The fields that name a definition without a name; the first one present is used.
NAME_FIELDS = ("name", "label", "output", "ore", "decoration", "recipe", "type")
# The first two numbers of an engine's version; None is the newest.
Series = tuple[int, int] | None


def findings_in(shapes: Iterable[str], engine: Series = None) -> tuple[str, ...]:
    """Return the findings, at most 50, in the order of registration, of shapes as shapes.lua describes them.

    Args:
        engine: fields that came after this version are findings as well.

    Raises:
        ValueError, KeyError: a text is no shape.
    """
    return tuple(islice((finding for shape in shapes for finding in _findings(shape, engine)), MOST_FINDINGS))


def _findings(shape: str, engine: Series) -> Iterator[str]:
    kind, name, *lines = shape.split("\n")
    kind = _with_type(lines) if kind == "craft" else kind
    found = sorted(why for why in (_judge(kind, line, engine) for line in lines) if why[1])
    if found:
        title = _title(kind, name, lines)
        yield from (f"{title}: {why}" for _, why in found)


def _with_type(lines: list[str]) -> str:
    """Return the name in FIELDS of a craft: its fields depend on its type."""
    typed = next((f"craft {line[6:]}" for line in lines if line.startswith("stype\t")), "")
    return typed if typed in FIELDS else "craft shaped"


def _title(kind: str, name: str, lines: list[str]) -> str:
    texts = dict(line[1:].split("\t", 1) for line in lines if line.startswith("s"))
    name = name or next((texts[key] for key in NAME_FIELDS if key in texts), "")
    kind = "entity" if kind == "properties" else kind.split(" ")[0]
    return f"{kind} {name.removeprefix(':')}".rstrip()


@lru_cache(maxsize=4096)
def _judge(kind: str, line: str, engine: Series) -> tuple[str, str]:
    """Return a field's key and what is wrong with it, "" when nothing is. Cached, since most lines repeat.

    Raises:
        ValueError, KeyError: it is no line of a shape.
    """
    if line == "+":
        return "", "more fields than the API has"
    key, value = line[1:].split("\t", 1)
    field = FIELDS[kind].get(key)
    if field is None:
        return key, _unknown(kind, key)
    if later := _later(key, value, engine):
        return key, later
    label = f"initial_properties.{key}" if kind == "properties" else key
    if field.types and line[0] not in field.types:
        return key, f"{label} is {NAMED[line[0]]}, not {' or '.join(NAMED[letter] for letter in field.types)}"
    if line[0] == "s" and field.choices and value not in field.choices:
        return key, _no_choice(label, value, field)
    return key, _out_of_range(label, value, field) if line[0] == "n" else ""


def _later(key: str, value: str, engine: Series) -> str:
    for name, since in ((f'"{key}"', SINCE.get(key)), (f'{key} "{value}"', CHOICE_SINCE.get((key, value)))):
        if engine is not None and since is not None and engine < since:
            return f"{name} came with Luanti {since[0]}.{since[1]}, this engine is {engine[0]}.{engine[1]}"
    return ""


def _no_choice(label: str, value: str, field: Field) -> str:
    near = get_close_matches(value, field.choices, 1, LIKENESS)
    why = f'not known, nearest is "{near[0]}"' if near else f"not one of {', '.join(field.choices)}"
    return f'{label} is "{value}", {why}'


def _out_of_range(label: str, value: str, field: Field) -> str:
    number = float(value)
    if field.span and not field.span[0] <= number <= field.span[1]:
        return f"{label} is {value}, outside {field.span[0]}..{field.span[1]}"
    return f"{label} is {value}, not a whole number" if field.is_whole and not number.is_integer() else ""


def _unknown(kind: str, key: str) -> str:
    """Return the finding of an unknown field; "" for a field of the mod's own.

    An entity's definition is also its prototype: there every name is allowed, but not one that looks like a callback
    or a property in the wrong place.
    """
    if key.startswith("_"):
        return ""
    if kind == "entity" and key in FIELDS["properties"]:
        return f'"{key}" belongs in initial_properties'
    choices = set(FIELDS[kind])
    successor = SUCCESSORS.get(key)
    near = [successor] if successor in choices else get_close_matches(key, sorted(choices), 1, LIKENESS)
    if kind == "entity" and not (near and key.startswith("on_")):
        return ""
    place = " in initial_properties" if kind == "properties" else ""
    return f'unknown field "{key}"{place}' + (f', nearest is "{near[0]}"' if near else "")
