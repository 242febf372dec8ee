"""Executable checks for an item that has none: what its prompt demands, written against the check library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from eval.domains import Derived, Variant
from eval.domains.luanti.items.causes import common_cause
from eval.domains.luanti.items.demands import (
    FieldDemand,
    NameDemand,
    PromptText,
    field_demands,
    mod_demand,
    name_demand,
    output_demand,
)
from eval.domains.luanti.items.structure import (
    LuaTable,
    Registration,
    Unparsed,
    lua_literal,
    lua_string,
    registrations,
    scan_registrations,
)
from eval.domains.luanti.items.variants import changed_values
from eval.records import Row, TaskCheck

__all__ = ["common_cause", "derive", "variants"]

# of a value in a check's name
_TITLE_SIGNS = 40
# they share one name space: an answer that registers a tool beside the requested node does something else
_ITEM_KINDS = ("node", "tool", "craftitem", "entity")


def derive(item: Row, program: str) -> Derived:
    """Return the checks for ``item``, whose reference gives ``program``; none where that registers nothing."""
    reference, remark = read_reference(program)
    prompt = PromptText(item.instruction, item.input, item.family)
    if not reference:
        return Derived("", (), remark, missing=_why_nothing(program))
    mods = [mod for registration in reference if (mod := mod_demand(prompt, registration))]
    return Derived(reference[0].kind, derive_checks(prompt, reference), remark, mods[0] if mods else "")


def variants(item: Row, program: str) -> tuple[Variant, ...]:
    """Return ``program`` with one value changed that it shares with the prompt of ``item``, once for each."""
    return tuple(changed_values(PromptText(item.instruction, item.input, item.family), program))


def _why_nothing(program: str) -> str:
    if re.search(r"\bfunction\b", program):
        return "its reference registers nothing, it only defines functions"
    return "its reference registers nothing"


def read_reference(program: str) -> tuple[tuple[Registration, ...], str]:
    """Return what ``program`` registers, and a remark where its syntax had to be guessed ("" where not)."""
    try:
        return registrations(program), ""
    except Unparsed as error:
        return scan_registrations(program), f"its reference does not parse ({error}): only kinds and names are checked"


def derive_checks(prompt: PromptText, reference: Sequence[Registration]) -> tuple[TaskCheck, ...]:
    """Return checks that hold for every program that does what ``prompt`` demands; () when nothing can be derived.

    Required are the kinds the reference registers and how many of each, the names the prompt states, and the fields
    it states or names (see ``eval.domains.luanti.items.demands``).
    """
    if not reference:
        return ()
    checks = _count_checks(reference)
    seen: Counter[str] = Counter()
    for registration in reference:
        seen[registration.kind] += 1
        checks += _registration_checks(prompt, registration, seen[registration.kind], len(reference) > 1)
    return tuple(checks)


def _count_checks(reference: Sequence[Registration]) -> list[TaskCheck]:
    counts = Counter(registration.kind for registration in reference)
    items = {kind: count for kind, count in counts.items() if kind in _ITEM_KINDS}
    checks = [_count_check(kind, count) for kind, count in counts.items() if kind not in items]
    checks += [_count_check(kind, items.get(kind, 0)) for kind in _ITEM_KINDS if items]
    return checks


def _count_check(kind: str, count: int) -> TaskCheck:
    return TaskCheck(
        f"registers {count or 'no'} {kind}", f'equal(#all({lua_string(kind)}), {count}, "number of registered {kind}s")'
    )


def _registration_checks(
    prompt: PromptText, reference: Registration, position: int, is_one_of_many: bool
) -> list[TaskCheck]:
    is_recipe = reference.kind == "craft"
    name = output_demand(prompt, reference) if is_recipe else name_demand(prompt, reference)
    find = _find(reference.kind, name if is_recipe or reference.name else NameDemand("any"), position)
    label = f"{reference.kind} {position} " if is_one_of_many else ""
    checks = []
    if name.mode != "any" and (is_recipe or reference.name):
        checks.append(TaskCheck(f"{label}{'makes' if is_recipe else 'is named'} {name.text}", find))
    for demand in field_demands(prompt, reference):
        checks.append(TaskCheck(label + _title(demand), f"{find}\n{_assertion(demand)}"))
    return checks


def _find(kind: str, name: NameDemand, position: int) -> str:
    """Return Lua that sets ``def`` to the definition that is meant, or fails with a sentence."""
    if name.mode == "any":
        return (
            f"local entry = all({lua_string(kind)})[{position}]\n"
            f'expect(entry ~= nil, "no {kind} was registered")\n'
            "local def = entry.def or entry.args[1]"
        )
    wanted = lua_string(name.text)
    own = 'string.match(entry.name or "", "^%S*")' if kind == "craft" else 'entry.name or ""'
    same = f"own == {wanted}"
    if name.mode == "local":
        same += f' or string.match(own, ":([^:]*)$") == {wanted}'
    return (
        "local def\n"
        f"for _, entry in ipairs(all({lua_string(kind)})) do\n"
        f"  local own = {own}\n"
        f"  if {same} then def = entry.def end\n"
        "end\n"
        f"expect(def ~= nil, {lua_string(_not_found(kind, name.text))})"
    )


def _not_found(kind: str, name: str) -> str:
    return f"no recipe makes {name}" if kind == "craft" else f"no {kind} named {name} was registered"


def _title(demand: FieldDemand) -> str:
    field = _dotted(demand)
    if demand.wanted is None:
        return f"{field} is a {demand.type}" if demand.type else f"{field} is given"
    if isinstance(demand.wanted, LuaTable):
        return f"{field} is as stated"
    verb = {"equals": "is", "holds": "holds", "item": "is some"}[demand.how]
    return f"{field} {verb} {_shortened(lua_literal(demand.wanted))}"


def _dotted(demand: FieldDemand) -> str:
    return ".".join(map(str, demand.path))


def _shortened(text: str) -> str:
    return text if len(text) <= _TITLE_SIGNS else f"{text[:_TITLE_SIGNS]}…"


def _assertion(demand: FieldDemand) -> str:
    field = _dotted(demand)
    lines = ["local value = def"]
    for key in demand.path:
        lines.append('expect(type(value) == "table", "a table on the way to the field is missing")')
        # raw: the engine lends a definition its defaults through a metatable
        lines.append(f"value = rawget(value, {lua_literal(key)})")
    quoted = lua_string(field)
    if demand.wanted is not None:
        return "\n".join([*lines, *_agreement(demand, quoted)])
    lines.append(f"expect(value ~= nil, {lua_string(f'{field} is missing')})")
    if demand.type:
        lines.append(f"equal(type(value), {lua_string(demand.type)}, {lua_string(f'type of {field}')})")
    if demand.type == "string":
        lines.append(f'expect(value ~= "", {lua_string(f"{field} is empty")})')
    if demand.type == "table":
        lines.append(f"expect(next(value) ~= nil, {lua_string(f'{field} is empty')})")
    if demand.low is not None and demand.high is not None:
        lines.append(
            f"expect(value >= {demand.low:g} and value <= {demand.high:g}, "
            f"{lua_string(f'{field} is not between {demand.low:g} and {demand.high:g}')})"
        )
    return "\n".join(lines)


def _agreement(demand: FieldDemand, quoted: str) -> list[str]:
    """Return the Lua that compares ``value`` with what is wanted of it."""
    assert demand.wanted is not None
    wanted = lua_literal(demand.wanted)
    if demand.how == "item":
        return [f'equal(type(value) == "string" and string.match(value, "^%S+"), {wanted}, {quoted})']
    if demand.how == "equals":
        return [f"equal(value, {wanted}, {quoted})"]
    return [
        "local function holds(part)",
        f"  if part == {wanted} then return true end",
        '  for _, inner in next, type(part) == "table" and part or {} do if holds(inner) then return true end end',
        "end",
        f"expect(holds(value), {quoted} .. {lua_string(' does not hold ')} .. {wanted})",
    ]
