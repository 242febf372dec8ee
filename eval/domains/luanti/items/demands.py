"""What a prompt demands of a registration, found by reading the prompt beside a reference answer.

The reference says which fields there are; the prompt decides which of them are required, and with which value. A value
that only the reference knows is never required, so that another right answer to the same prompt passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from eval.domains.luanti.items.structure import LuaTable, LuaValue, Registration, lua_type

# what the engine cannot show the thing without
_ESSENTIAL: dict[str, tuple[str, ...]] = {
    "node": ("tiles",),
    "tool": ("inventory_image",),
    "craftitem": ("inventory_image",),
}
_OTHER_WORDS = {"light_source": ("light level", "light"), "tool_capabilities": ("capabilities",)}
# the engine's LIGHT_MAX is 14; 0 is the default, so a prompt that names the field asks for more
_RANGES = {"light_source": (1.0, 14.0)}
_KEEPING_FAMILIES = ("repair", "refactor")
# a number that is not the start of a longer one, nor of a range such as 0-14
_NUMBER = r"-?\d+(?:\.\d+)?(?![\w.]*\w)(?!\s*(?:-|\u2013|to\b|\.\.)\s*\d)"
_JOINER = r"""['"`\]]*\s*(?:=|:|\bof\b|\bis\b|\bto\b|\bat\b)?\s*"""
_QUOTES = "'\"`"


@dataclass(frozen=True, slots=True)
class PromptText:
    """The parts of a prompt from which demands are read."""

    instruction: str
    source: str
    family: str

    @property
    def keeps_source(self) -> bool:
        """Whether ``source`` is a program whose content must survive, rather than documentation."""
        return self.family in _KEEPING_FAMILIES


@dataclass(frozen=True, slots=True)
class NameDemand:
    """Which name must be registered: "exact", "local" (the part after the mod's prefix), or "any"."""

    mode: Literal["exact", "local", "any"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class FieldDemand:
    """What one field must be: equal to ``wanted``, or of ``type`` and not empty (``wanted`` None), within a range.

    ``path`` leads to it from the definition; ``type`` "" requires only that it exists.
    """

    path: tuple[str, ...]
    type: str
    wanted: str | int | float | bool | LuaTable | None = None
    low: float | None = None
    high: float | None = None


def name_demand(prompt: PromptText, reference: Registration) -> NameDemand:
    """Return the name the prompt requires; the reference only shows which of the quoted words is the name."""
    full, local = reference.name, reference.name.rpartition(":")[2]
    texts = [prompt.instruction, prompt.source] if prompt.keeps_source else [prompt.instruction]
    if any(_quotes(text, full) for text in texts):
        return NameDemand("exact", full) if ":" in full else NameDemand("local", full)
    if any(_quotes(text, local) for text in texts):
        return NameDemand("local", local)
    stated = re.search(r"\b(?:called|named|node|tool|item|command)\s+(['\"`])([\w:]+)\1", prompt.instruction)
    if stated:
        return NameDemand("exact" if ":" in stated[2] else "local", stated[2])
    return NameDemand("any")


def field_demands(prompt: PromptText, reference: Registration) -> tuple[FieldDemand, ...]:
    """Return what the prompt demands of the fields the reference has, outer fields before inner ones."""
    if reference.definition is None:
        return ()
    source_counts = prompt.keeps_source or not _mentions_any(prompt.instruction, reference.definition)
    readable = prompt if source_counts else replace(prompt, source="")
    found = list(_table_demands(readable, reference.definition, ()))
    have = {demand.path[0] for demand in found}
    for field in _ESSENTIAL.get(reference.kind, ()):
        value = reference.definition.get(field)
        if value is not None and field not in have:
            found.append(FieldDemand((field,), lua_type(value)))
    return tuple(found)


def _table_demands(prompt: PromptText, table: LuaTable, path: tuple[str, ...]) -> Iterator[FieldDemand]:
    for key, value in table.items:
        if not isinstance(key, str):
            continue
        own = _field_demand(prompt, (*path, key), value)
        is_settled = own is not None and own.wanted is not None
        inner = list(_table_demands(prompt, value, (*path, key))) if isinstance(value, LuaTable) else []
        if own is not None:
            yield own
        elif inner:
            yield FieldDemand((*path, key), "table")
        if not is_settled:
            yield from inner


def _field_demand(prompt: PromptText, path: tuple[str, ...], value: LuaValue) -> FieldDemand | None:
    field, kind = path[-1], lua_type(value)
    stated = _stated_value(prompt.instruction, field, value)
    if stated is None and prompt.keeps_source:
        stated = _kept_value(prompt.source, field, value)
    if stated is not None:
        return FieldDemand(path, lua_type(stated), stated)
    if not (_mentions(prompt.instruction, field) or _names(prompt.source, field)):
        return None
    low, high = _RANGES.get(field, (None, None)) if kind == "number" else (None, None)
    return FieldDemand(path, kind, None, low, high)


def _stated_value(text: str, field: str, reference: LuaValue) -> str | int | float | bool | LuaTable | None:
    """Return the value ``text`` gives for ``field``, if it is of the type the reference has; None if it gives none."""
    if isinstance(reference, LuaTable):
        return reference if _is_quoted_list(text, reference) else None
    for word in _words(field):
        match = re.search(rf"(?<!\w){re.escape(word)}(?!\w){_JOINER}", text, re.IGNORECASE)
        if match:
            value = _value_at(text[match.end() :], reference)
            if value is not None:
                return value
    return reference if isinstance(reference, str) and _quotes(text, reference) else None


def _kept_value(source: str, field: str, reference: LuaValue) -> str | int | float | bool | LuaTable | None:
    """Return the reference's value where the given program already has it: a repair must not lose it."""
    if isinstance(reference, LuaTable):
        return reference if _is_quoted_list(source, reference) else None
    if isinstance(reference, str):
        return reference if _quotes(source, reference) else None
    stated = _stated_value(source, field, reference)
    return stated if stated is not None and stated == reference else None


def _value_at(text: str, reference: LuaValue) -> str | int | float | bool | None:
    """Return the value ``text`` begins with, if it is of the reference's type."""
    if isinstance(reference, bool):
        word = re.match(r"(true|false)\b", text)
        return word[1] == "true" if word else None
    if isinstance(reference, int | float):
        number = re.match(_NUMBER, text)
        return (float(number[0]) if "." in number[0] else int(number[0])) if number else None
    if not isinstance(reference, str) or text[:1] not in tuple(_QUOTES):
        return None
    # the value itself may hold the quote character, so the reference is tried before the next quote
    if text.startswith(text[0] + reference + text[0]):
        return reference
    end = text.find(text[0], 1)
    return text[1:end] if end > 0 else None


def _is_quoted_list(text: str, table: LuaTable) -> bool:
    """Whether every element of a list of texts is quoted in ``text``."""
    values = [value for _, value in table.items]
    is_list = all(key == position for position, (key, _) in enumerate(table.items, start=1))
    return is_list and bool(values) and all(isinstance(value, str) and _quotes(text, value) for value in values)


def _quotes(text: str, value: str) -> bool:
    return bool(value) and any(f"{quote}{value}{quote}" in text for quote in _QUOTES)


def _words(field: str) -> Iterable[str]:
    return (field, field.replace("_", " "), *_OTHER_WORDS.get(field, ()))


def _mentions(text: str, field: str) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in _words(field))


def _names(text: str, field: str) -> bool:
    """Whether code or documentation has the field by its exact name."""
    return bool(re.search(rf"(?<!\w){re.escape(field)}(?!\w)", text))


def _mentions_any(text: str, table: LuaTable) -> bool:
    return any(
        (isinstance(key, str) and _mentions(text, key)) or (isinstance(value, LuaTable) and _mentions_any(text, value))
        for key, value in table.items
    )
