"""Seed programs as YAML files define them: one checked program each, used in one or more families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from env.refusal import Refusal
from eval.records import TaskCheck

COMMON = ("name", "slots", "code", "checks")


@dataclass(frozen=True, slots=True)
class Layout:
    """Which families the seeds of a domain have.

    Attributes:
        prefix: what the clusters of its rows begin with.
        asked: families whose rows are a request for the program alone.
        faulty: the family whose rows are the program with a fault in it.
        parts: families whose rows come with an input of their own, and the key that holds it.
    """

    prefix: str
    asked: tuple[str, ...]
    faulty: str
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bug:
    """One way to break the program: texts that occur in it once, each with its replacement, and the complaint."""

    swaps: tuple[tuple[str, str], ...]
    asks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A seed with an input of its own: its requests, that input, and what the answer must do besides its checks."""

    asks: tuple[str, ...]
    input: str
    checks: tuple[TaskCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Seed:
    """One hand-written program with slots.

    Attributes:
        cluster: what rows of one seed share, whatever their family.
        slots: name to the values it may take; a text names one with ``$name``, ``$Name`` (as a title) or ``${name}``.
        code: the right program.
        checks: what the program must do, with slots.
        asked: family to the requests for the program; ``bugs`` the ways to break it; ``parts`` family to the input.
    """

    kind: str
    name: str
    cluster: str
    slots: Mapping[str, tuple[str, ...]]
    code: str
    checks: tuple[TaskCheck, ...]
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bugs: tuple[Bug, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict)


def read_seeds(folder: Path, layout: Layout) -> tuple[Seed, ...]:
    """Return every seed of ``<kind>.yaml`` files, by kind and in file order.

    Raises:
        Refusal: a file is not a list of seeds, or a seed has an unknown key or lacks one; file and seed are named.
    """
    found: list[Seed] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            items = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise Refusal(f"{file.name}: not YAML: {error}.") from None
        for number, item in enumerate(items, start=1):
            try:
                found.append(_seed(file.stem, item, layout))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                name = item.get("name", "") if isinstance(item, dict) else ""
                raise Refusal(f"{file.name}: seed {number} {name}: {error!r}.") from None
    return tuple(found)


def break_code(seed: Seed, bug: Bug) -> str:
    """Return the seed's code with the bug in it. Raises ValueError unless each replaced text occurs exactly once."""
    code = seed.code
    for old, new in bug.swaps:
        if code.count(old) != 1:
            raise ValueError(f"{seed.cluster}: {old!r} occurs {code.count(old)} times in its code")
        code = code.replace(old, new)
    return code


def _seed(kind: str, item: dict[str, Any], layout: Layout) -> Seed:
    _known(item, {*COMMON, *layout.asked, layout.faulty, *layout.parts})
    return Seed(
        kind=kind,
        name=item["name"],
        cluster=f"{layout.prefix}.{kind}.{item['name']}",
        slots={slot: tuple(map(str, values)) for slot, values in item.get("slots", {}).items()},
        code=item["code"],
        checks=_checks(item["checks"]),
        asked={family: tuple(item[family]) for family in layout.asked if item.get(family)},
        bugs=tuple(_bug(bug) for bug in item.get(layout.faulty, ())),
        parts={family: _part(item[family], text) for family, text in layout.parts.items() if family in item},
    )


def _bug(item: dict[str, Any]) -> Bug:
    _known(item, {"swap", "ask"})
    swaps = tuple((old, new) for old, new in item["swap"])
    return Bug(swaps, tuple(item["ask"]))


def _part(part: dict[str, Any], text: str) -> Part:
    _known(part, {"ask", text, "checks"})
    return Part(tuple(part["ask"]), part[text], _checks(part.get("checks", {})))


def _checks(named: dict[str, str]) -> tuple[TaskCheck, ...]:
    if odd := [name for pair in named.items() for name in pair if not isinstance(name, str)]:
        raise ValueError(f"{odd[0]!r} in its checks is no text")  # YAML reads on, off and numbers as values
    return tuple(TaskCheck(name, lua) for name, lua in named.items())


def _known(item: dict[str, Any], keys: set[str]) -> None:
    if unknown := sorted(set(item) - keys):
        raise ValueError(f"unknown keys {unknown}")
