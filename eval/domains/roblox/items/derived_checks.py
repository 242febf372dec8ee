"""Checks for items of other people's files: what their prompt says that a run can show.

``demands.yaml`` lists what public prompts ask for. They come without an answer: the list has one of our own for each
demand, so that the checks can be shown to hold. Of an item with a reference those instances are checked that it makes
and the prompt names (made_instances). An item that shows nothing observable has no checks, and a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import yaml

from eval.domains import Cause, Derived, Variant
from eval.domains.roblox.items.made_instances import checks_for
from eval.records import Row, TaskCheck

# Families whose answer makes something where nothing was.
MAKING = ("coding", "architecture")
# A literal of a program or of a call: a text in quotes, or a number that stands alone.
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_LITERAL = re.compile(r"\"(?P<double>[A-Za-z]\w*)\"|'(?P<single>[A-Za-z]\w*)'|(?<![\w.])(?P<number>\d+)(?![\w.])")


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that prompts of a family ask for: how they say it, what shows it, and an answer that passes."""

    name: str
    family: str
    pattern: re.Pattern[str]
    reference: str
    checks: Mapping[str, str]
    worlds: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a prompt of a family gives no checks, where its pattern fits."""

    family: str
    pattern: re.Pattern[str]
    text: str


def derive(item: Row, program: str) -> Derived:
    """Return the checks that follow from the prompt of ``item``, and from what ``program``, its reference, makes."""
    prompt = f"{item.instruction}\n{item.input}"
    for demand in _demands():
        found = demand.pattern.search(prompt) if demand.family == item.family else None
        if found is not None:
            return _derived(demand, _values(found))
    # with a program given, the checks would not tell the answer from it
    if item.family in MAKING and not item.input and (checks := checks_for(item.instruction, program)):
        return Derived(item.kind or "instances", checks)
    whole = f"{prompt}\n{item.output}"
    reasons = (reason for reason in _reasons() if reason.family == item.family and reason.pattern.search(whole))
    first = next(reasons, None)
    return Derived(item.kind, (), missing=first.text if first else f'nothing is known of the family "{item.family}"')


def variants(item: Row, program: str) -> tuple[Variant, ...]:
    """Return ``program`` with one word or number changed that the prompt's sentences state too, once for each."""
    found: dict[str, Variant] = {}
    sentences = _FENCED.sub("", item.instruction)
    for literal in _LITERAL.finditer(program):
        stated = literal["double"] or literal["single"] or literal["number"]
        if stated in found or not re.search(rf"(?<!\w){re.escape(stated)}(?!\w)", sentences):
            continue
        other = str(int(stated) + 1) if literal["number"] else f"{stated}X"
        changed = literal[0].replace(stated, other)
        found[stated] = Variant(program.replace(literal[0], changed), f"{literal[0]} is {changed}")
    return tuple(found.values())


def common_cause(details: Sequence[str]) -> Cause | None:
    """Return None: nothing is known that many references have in common."""
    return None


def _values(found: re.Match[str]) -> dict[str, str]:
    """Return what a pattern found, with the fields of a list as the lines of a table."""
    values = found.groupdict()
    names = [name for name in re.findall(r"\w+", values.get("fields") or "") if name != "and"]
    values["fields_code"] = "\n".join(f"\t{name} = {number}," for number, name in enumerate(names, start=1))
    return values


def _derived(demand: Demand, values: Mapping[str, str]) -> Derived:
    checks = tuple(TaskCheck(name, _filled(lua, values)) for name, lua in demand.checks.items())
    worlds = tuple(world if isinstance(world, str) else json.dumps(world) for world in _filled(demand.worlds, values))
    return Derived(demand.name, checks, reference=_filled(demand.reference, values), worlds=worlds)


def _filled(part: Any, values: Mapping[str, str]) -> Any:
    """Return data with ``${name}`` filled in its texts. A text that uses $ otherwise stays as it is."""
    if isinstance(part, str):
        return Template(part).safe_substitute(values)
    if isinstance(part, Mapping):
        return {_filled(key, values): _filled(value, values) for key, value in part.items()}
    return [_filled(value, values) for value in part] if isinstance(part, Sequence) else part


@cache
def _table() -> Mapping[str, Any]:
    text = (files("eval.domains.roblox.items") / "demands.yaml").read_text(encoding="utf-8")
    table: Mapping[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return table


@cache
def _demands() -> tuple[Demand, ...]:
    return tuple(
        Demand(**(entry | {"pattern": re.compile(entry["pattern"], re.DOTALL)})) for entry in _table()["observable"]
    )


@cache
def _reasons() -> tuple[Reason, ...]:
    return tuple(
        Reason(entry["family"], re.compile(entry["pattern"], re.DOTALL), entry["reason"])
        for entry in _table()["reasons"]
    )
