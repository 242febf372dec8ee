"""Executable checks for an item that has none: what its prompt demands, written against the check library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.domains import Derived
from eval.domains.luanti.items.demands import FieldDemand, NameDemand, PromptText, field_demands, name_demand
from eval.domains.luanti.items.structure import (
    Registration,
    Unparsed,
    lua_literal,
    lua_string,
    registrations,
    scan_registrations,
)
from eval.records import Row, TaskCheck

# they share one name space: an answer that registers a tool beside the requested node does something else
_ITEM_KINDS = ("node", "tool", "craftitem", "entity")


def derive(item: Row, program: str) -> Derived:
    """Return the checks for ``item``, whose reference stands for ``program``; none where that registers nothing."""
    reference, remark = read_reference(program)
    checks = derive_checks(PromptText(item.instruction, item.input, item.family), reference)
    return Derived(reference[0].kind if reference else "", checks, remark)


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
    name = name_demand(prompt, reference) if reference.name else NameDemand("any")
    find = _find(reference.kind, name, position)
    label = f"{reference.kind} {position} " if is_one_of_many else ""
    checks = []
    if name.mode != "any":
        checks.append(TaskCheck(f"{label}is named {name.text}", find))
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
    same = f"entry.name == {wanted}"
    if name.mode == "local":
        same += f' or string.match(entry.name, ":([^:]*)$") == {wanted}'
    return (
        "local def\n"
        f"for _, entry in ipairs(all({lua_string(kind)})) do\n"
        f"  if {same} then def = entry.def end\n"
        "end\n"
        f"expect(def ~= nil, {lua_string(f'no {kind} named {name.text} was registered')})"
    )


def _title(demand: FieldDemand) -> str:
    field = ".".join(demand.path)
    if demand.wanted is not None:
        return f"{field} is as stated"
    return f"{field} is a {demand.type}" if demand.type else f"{field} is given"


def _assertion(demand: FieldDemand) -> str:
    field = ".".join(demand.path)
    lines = ["local value = def"]
    for key in demand.path:
        lines.append('expect(type(value) == "table", "a table on the way to the field is missing")')
        # raw: the engine lends a definition its defaults through a metatable
        lines.append(f"value = rawget(value, {lua_string(key)})")
    quoted = lua_string(field)
    if demand.wanted is not None:
        return "\n".join([*lines, f"equal(value, {lua_literal(demand.wanted)}, {quoted})"])
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
