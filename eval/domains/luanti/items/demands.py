"""What a prompt demands of a registration, found by reading the prompt beside a reference answer.

The reference says which fields there are; the prompt decides which of them are required, and with which value: every
value that both share is required. A value that only the reference knows is never required, so that another right answer
to the same prompt passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

from eval.domains.luanti.items import stated
from eval.domains.luanti.items.structure import LuaTable, LuaValue, Registration, lua_type
from eval.domains.luanti.verify.field_facts import FIELDS

# what the engine cannot show the thing without, or what it is for
_ESSENTIAL: dict[str, tuple[str, ...]] = {
    "node": ("tiles",),
    "tool": ("inventory_image",),
    "craftitem": ("inventory_image",),
    "chatcommand": ("func",),
}
# the engine's LIGHT_MAX is 14; 0 is the default, so a prompt that names the field requires more
_RANGES = {"light_source": (1.0, 14.0)}
_KEEPING_FAMILIES = ("repair", "refactor")
# lists whose order means something: which face, which layer
_ORDERED = frozenset(("tiles", "overlay_tiles", "special_tiles"))
# an item, or an item with its count
_STACK = re.compile(r"([\w:]+)(?:\s+(\d+))?\Z")
_STACK_FIELDS = frozenset(("output", "drop"))

# how prompts speak of a recipe's type
_RECIPES = {
    "shapeless": re.compile(r"shapeless|any order|in any", re.IGNORECASE),
    "cooking": re.compile(r"cook|smelt|furnace|bak|roast", re.IGNORECASE),
    "fuel": re.compile(r"fuel|burn", re.IGNORECASE),
    "toolrepair": re.compile(r"repair", re.IGNORECASE),
}

Path = tuple[str | int, ...]


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

    @property
    def binding(self) -> str:
        """The text whose values are required: the instruction, and a program that must survive."""
        return f"{self.instruction}\n{self.source}" if self.keeps_source else self.instruction


@dataclass(frozen=True, slots=True)
class NameDemand:
    """Which name must be registered: "exact", "local" (the part after the mod's prefix), or "any"."""

    mode: Literal["exact", "local", "any"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class FieldDemand:
    """What one field must be: as ``wanted``, or of ``type`` and not empty (``wanted`` None), within a range.

    ``path`` leads to it from the definition; ``type`` "" requires only that it exists. ``how`` it must agree with
    ``wanted``: "equals" it, "holds" it somewhere inside, or is a stack of that "item", however many.
    """

    path: Path
    type: str
    wanted: str | int | float | bool | LuaTable | None = None
    low: float | None = None
    high: float | None = None
    how: Literal["equals", "holds", "item"] = "equals"


def name_demand(prompt: PromptText, reference: Registration) -> NameDemand:
    """Return which name the prompt asks for; the reference only tells which of its words is the name."""
    full, local = reference.name, reference.name.rpartition(":")[2]
    if ":" in full and stated.is_stated(prompt.binding, full):
        return NameDemand("exact", full)
    if stated.is_named(prompt.instruction, local) or stated.is_quoted(prompt.binding, local):
        return NameDemand("local", local)
    called = re.search(r"\b(?:called|named|node|tool|item|command)\s+(['\"`])([\w:]+)\1", prompt.instruction)
    if called:
        return NameDemand("exact" if ":" in called[2] else "local", called[2])
    return NameDemand("any")


def output_demand(prompt: PromptText, reference: Registration) -> NameDemand:
    """Return which item a recipe must make: what tells it from other recipes, which have no names."""
    output = reference.definition.get("output") if reference.definition else None
    stack = _STACK.match(output) if isinstance(output, str) else None
    if stack and (stated.is_stated(prompt.binding, stack[1]) or stated.is_stated(prompt.binding, str(output))):
        return NameDemand("exact", stack[1])
    if stack and stated.is_named(prompt.instruction, stack[1].rpartition(":")[2]):
        return NameDemand("local", stack[1].rpartition(":")[2])
    return NameDemand("any")


def mod_demand(prompt: PromptText, reference: Registration) -> str:
    """Return the mod that the prompt says the thing belongs to; "" where it leaves that open."""
    mod = reference.name.removeprefix(":").rpartition(":")[0]
    if not mod or reference.name.startswith(":"):
        return ""
    word = re.escape(mod)
    said = rf"(?<!\w){word}:|\bmod\W{{1,3}}(?:named\W+|called\W+)?{word}(?!\w)|(?<!\w){word}\W{{1,2}}mod\b"
    return mod if re.search(said, prompt.binding) else ""


def field_demands(prompt: PromptText, reference: Registration) -> tuple[FieldDemand, ...]:
    """Return what the prompt demands of the fields the reference has, outer fields before inner ones."""
    if reference.definition is None:
        return ()
    source_counts = prompt.keeps_source or not stated.mentions_any(prompt.instruction, reference.definition)
    readable = prompt if source_counts else replace(prompt, source="")
    found = list(_Reading(readable, reference).table(reference.definition, ()))
    have = {demand.path[0] for demand in found}
    for field in _ESSENTIAL.get(reference.kind, ()):
        value = reference.definition.get(field)
        if value is not None and field not in have:
            found.append(FieldDemand((field,), lua_type(value)))
    return tuple(found)


class _Reading:
    """One reference read beside its prompt."""

    def __init__(self, prompt: PromptText, reference: Registration) -> None:
        self._prompt, self._facts = prompt, FIELDS.get(reference.kind, {})
        self._numbers = list(stated.leaf_numbers(reference.definition))
        self._said_numbers = set(stated.numbers_in(prompt.instruction))

    def table(self, table: LuaTable, path: Path) -> Iterator[FieldDemand]:
        """Yield the demands on the fields of ``table``, which is at ``path``."""
        for key, value in table.items:
            if not isinstance(key, str):
                continue
            own = self._field((*path, key), value)
            is_settled = own is not None and own.wanted is not None
            inner = list(self._inner(value, (*path, key))) if isinstance(value, LuaTable) else []
            if own is not None:
                yield own
            elif inner:
                yield FieldDemand((*path, key), "table")
            if not is_settled:
                yield from inner

    def _inner(self, table: LuaTable, path: Path) -> Iterator[FieldDemand]:
        """Yield the demands on what is in ``table``: on its fields by name, on its elements by place or by value."""
        yield from self.table(table, path)
        elements = [(key, value) for key, value in table.items if isinstance(key, int)]
        yield from (
            FieldDemand((*path, key), "number", value) for key, value in elements if self._is_lone_number(value)
        )
        if path[-1] not in _ORDERED:
            said = {text: None for _, value in elements for text in _texts(value) if self._states(text)}
            yield from (FieldDemand(path, "table", text, how="holds") for text in said)
            return
        for key, value in elements:
            if isinstance(value, str) and self._states(value):
                yield FieldDemand((*path, key), "string", value)
            elif isinstance(value, LuaTable):
                yield from self.table(value, (*path, key))

    def _field(self, path: Path, value: LuaValue) -> FieldDemand | None:
        field, kind = str(path[-1]), lua_type(value)
        wanted = self._wanted(field, value)
        if wanted is not None:
            return FieldDemand(path, lua_type(wanted), wanted)
        if field in _STACK_FIELDS and isinstance(value, str):
            return self._stack(path, value)
        if not (stated.mentions(self._prompt.instruction, field) or stated.has_name(self._prompt.source, field)):
            return None
        low, high = _RANGES.get(field, (None, None)) if kind == "number" else (None, None)
        return FieldDemand(path, kind, None, low, high)

    def _stack(self, path: Path, value: str) -> FieldDemand | None:
        """Return the demand on a field such as "mymod:plank 4": the item, and the count where that is said too."""
        stack = _STACK.match(value)
        if stack is None or not self._states(stack[1]):
            return None
        if stack[2] and float(stack[2]) in self._said_numbers:
            return FieldDemand(path, "string", value)
        return FieldDemand(path, "string", stack[1], how="item")

    def _wanted(self, field: str, value: LuaValue) -> str | int | float | bool | LuaTable | None:
        """Return the value the prompt requires of a field, if it is of the type the reference has; else None."""
        if isinstance(value, LuaTable):
            return value if field in _ORDERED and self._is_stated_list(value) else None
        if value is None or not isinstance(value, str | int | float | bool):
            return None
        found = stated.stated_beside(self._prompt.instruction, field, value)
        if found is not None:
            return found
        if isinstance(value, str):
            is_said = self._states(value) or self._states_choice(field, value) or self._means_recipe(field, value)
            return value if is_said else None
        if self._prompt.keeps_source and stated.stated_beside(self._prompt.source, field, value) == value:
            return value
        return value if self._is_lone_number(value) else None

    def _is_lone_number(self, value: LuaValue) -> TypeGuard[int | float]:
        """Whether ``value`` is a number that the instruction says, and that only one place of the reference has."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return float(value) in self._said_numbers and self._numbers.count(float(value)) == 1

    def _states(self, text: str) -> bool:
        return stated.is_stated(self._prompt.binding, text)

    def _states_choice(self, field: str, value: str) -> bool:
        fact = self._facts.get(field)
        return fact is not None and stated.is_choice_stated(self._prompt.instruction, value, fact.choices)

    def _means_recipe(self, field: str, value: str) -> bool:
        words = _RECIPES.get(value) if field == "type" else None
        return words is not None and bool(words.search(self._prompt.instruction))

    def _is_stated_list(self, table: LuaTable) -> bool:
        """Whether ``table`` is a list of texts all of which are stated."""
        values = [value for _, value in table.items]
        is_list = all(key == position for position, (key, _) in enumerate(table.items, start=1))
        return is_list and bool(values) and all(isinstance(value, str) and self._states(value) for value in values)


def _texts(value: LuaValue) -> Iterator[str]:
    """Yield every text in ``value``, at any depth of lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, LuaTable):
        for _, inner in value.items:
            yield from _texts(inner)
