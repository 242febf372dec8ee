"""Seed programs as their YAML files define them: one checked mod each, used in one or more families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from env.refusal import Refusal
from eval.records import TaskCheck

FOLDER = Path(__file__).resolve().parent
KEYS = {"name", "slots", "code", "checks", "scaffold", "repair", "doc", "refactor"}
PART_KEYS = {"doc": {"ask", "excerpt", "checks"}, "refactor": {"ask", "before", "checks"}}


@dataclass(frozen=True, slots=True)
class Bug:
    """One way to break the program: texts that occur in it once, each with its replacement, and the complaint."""

    swaps: tuple[tuple[str, str], ...]
    asks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A seed as doc or refactor: its requests, the input, and what the answer must do besides the seed's checks."""

    asks: tuple[str, ...]
    input: str
    checks: tuple[TaskCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Seed:
    """One hand-written program with slots.

    Attributes:
        slots: name to the values it may take; a text names one with ``$name``, ``$Name`` (as a title) or ``${name}``.
        code: the right program; the answer of every family but repair.
        checks: what the program must do, with slots; run against the recorder.
        bugs: the repair rows; ``scaffold`` holds its requests; ``doc`` and ``refactor`` are None where the seed has no
            such row.
    """

    kind: str
    name: str
    slots: Mapping[str, tuple[str, ...]]
    code: str
    checks: tuple[TaskCheck, ...]
    scaffold: tuple[str, ...] = ()
    bugs: tuple[Bug, ...] = ()
    doc: Part | None = None
    refactor: Part | None = None

    @property
    def cluster(self) -> str:
        """What rows of one seed share, whatever their family."""
        return f"rows.{self.kind}.{self.name}"


def read_seeds(folder: Path = FOLDER) -> tuple[Seed, ...]:
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
                found.append(_seed(file.stem, item))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                name = item.get("name", "") if isinstance(item, dict) else ""
                raise Refusal(f"{file.name}: seed {number} {name}: {error!r}.") from None
    return tuple(found)


def _seed(kind: str, item: dict[str, Any]) -> Seed:
    _known(item, KEYS)
    return Seed(
        kind=kind,
        name=item["name"],
        slots={slot: tuple(map(str, values)) for slot, values in item.get("slots", {}).items()},
        code=item["code"],
        checks=_checks(item["checks"]),
        scaffold=tuple(item.get("scaffold", ())),
        bugs=tuple(_bug(bug) for bug in item.get("repair", ())),
        doc=_part(item, "doc", "excerpt"),
        refactor=_part(item, "refactor", "before"),
    )


def _bug(item: dict[str, Any]) -> Bug:
    _known(item, {"swap", "ask"})
    swaps = tuple((old, new) for old, new in item["swap"])
    return Bug(swaps, tuple(item["ask"]))


def _part(item: dict[str, Any], name: str, text: str) -> Part | None:
    if name not in item:
        return None
    part = item[name]
    _known(part, PART_KEYS[name])
    return Part(tuple(part["ask"]), part[text], _checks(part.get("checks", {})))


def _checks(named: dict[str, str]) -> tuple[TaskCheck, ...]:
    return tuple(TaskCheck(name, lua) for name, lua in named.items())


def _known(item: dict[str, Any], keys: set[str]) -> None:
    if unknown := sorted(set(item) - keys):
        raise ValueError(f"unknown keys {unknown}")
