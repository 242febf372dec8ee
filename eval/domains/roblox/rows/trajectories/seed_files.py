"""Seeds of trajectories: a place, a request in several wordings, the calls that answer it and checks on what they do.

Every text of a seed may hold slots, ``$name`` or ``${name}``; a text that is one slot takes the value as it is, also a
number. A file is a list of seeds; it is read with every problem at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from env.refusal import Refusal
from eval.domains.roblox.studio.tools import TOOLS

Values = Mapping[str, Any]
_KEYS = {"name", "tools", "slots", "asks", "tree", "calls", "checks", "mode", "assets", "console"}
_REQUIRED = {"name", "tools", "slots", "asks", "tree", "calls", "checks"}


@dataclass(frozen=True, slots=True)
class Seed:
    """One kind of request.

    Attributes:
        kind: the file's name, such as "building".
        slots: name to the values that may be drawn for it.
        asks: wordings of the request.
        calls: (tool, arguments) in order; ``checks`` name to Luau.
        world: what a task's world holds besides: tools, tree, mode, console, assets.
    """

    name: str
    kind: str
    slots: Mapping[str, tuple[Any, ...]]
    asks: tuple[str, ...]
    calls: tuple[tuple[str, Any], ...]
    checks: Mapping[str, str]
    world: Mapping[str, Any]

    @property
    def combinations(self) -> int:
        """How many different rows it can give."""
        count = len(self.asks)
        for values in self.slots.values():
            count *= len(values)
        return count

    def draw(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        """Return a wording and a value for each slot."""
        return chance.choice(self.asks), {name: chance.choice(values) for name, values in self.slots.items()}


def read_seeds(folder: Path) -> tuple[Seed, ...]:
    """Return the seeds of every file of ``folder``. Raises Refusal with file and name of all that is wrong."""
    seeds: list[Seed] = []
    wrong: list[str] = []
    for file in sorted(folder.glob("*.yaml")):
        for data in yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            found = list(_problems(data))
            wrong += [f"{file.name} {data.get('name', '(no name)')}: {problem}" for problem in found]
            seeds += [] if found else [_seed(file.stem, data)]
    if wrong:
        raise Refusal(f"{folder.name}: {len(wrong)} problems in the seeds:\n  " + "\n  ".join(wrong))
    return tuple(seeds)


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"lacks {key}" for key in sorted(_REQUIRED - data.keys()))
    yield from (f"unknown key {key}" for key in sorted(data.keys() - _KEYS))
    yield from (f"unknown tool {name}" for name in data.get("tools", ()) if name not in TOOLS)
    for call in data.get("calls", ()):
        if set(call) - set(data.get("tools", ())):
            yield f"calls {', '.join(call)}, which it does not offer"


def _seed(kind: str, data: Mapping[str, Any]) -> Seed:
    world = {key: data[key] for key in ("tools", "tree", "mode", "console", "assets") if key in data}
    return Seed(
        name=data["name"],
        kind=kind,
        slots={name: tuple(values) for name, values in data["slots"].items()},
        asks=tuple(data["asks"]),
        calls=tuple((tool, arguments or {}) for call in data["calls"] for tool, arguments in call.items()),
        checks=data["checks"],
        world=world,
    )


def filled(value: Any, values: Values) -> Any:
    """Return ``value`` with its slots filled, in keys and lists too. Raises KeyError for a slot that has no value."""
    if isinstance(value, str):
        if value.startswith("$") and value[1:] in values:
            return values[value[1:]]
        return Template(value).substitute(values)
    if isinstance(value, dict):
        return {filled(key, values): filled(part, values) for key, part in value.items()}
    return [filled(part, values) for part in value] if isinstance(value, list) else value
