"""The simulated worlds of tasks as data: what a prompt says of them, and what is wrong with them.

A world is JSON with a key "simulator"; other texts are set-ups in Luau and none of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from env.refusal import choices_hint
from eval.domains.roblox.api.facts import load
from eval.domains.roblox.studio.place_data import entry_problems, tree_problems
from eval.domains.roblox.studio.tools import TOOLS, signature
from eval.domains.roblox.studio.traversal import telling, world

SIMULATORS = ("studio", "traversal")
_KEYS = ("simulator", "tools", "tree", "mode", "console", "assets", "selection", "readonly")
_CALLS = (
    'Answer with a JSON list of calls, each {"name": ..., "arguments": {...}}. They run in this order, and nobody '
    "reads a result before the next call: print what is asked for."
)
_VALUES = "A Vector3 is written [x, y, z], a Color3 [r, g, b] from 0 to 1, an enum item by its name."
_PLAN = 'Answer with the plan as a JSON list of actions in order, each {"name": ..., "arguments": {...}}.'
_SETTING = frozenset({"create_object", "mass_create_objects", "set_property", "mass_set_property"})


def simulator_of(text: str) -> str:
    """Return what simulates a world; "" where it is no simulated one."""
    return str(json.loads(text).get("simulator", "")) if text.lstrip().startswith("{") else ""


def brief(worlds: Sequence[str]) -> str:
    """Return what follows a task's instruction; "" for a task without a simulated world.

    It follows from the first world: worlds of one task differ in what a prompt does not tell.
    """
    tells = {"studio": _studio, "traversal": _traversal}.get(simulator_of(worlds[0]) if worlds else "")
    return tells(json.loads(worlds[0])) if tells else ""


def _studio(data: dict[str, Any]) -> str:
    lines = [f"- {signature(name)}" for name in data["tools"]]
    values = [_VALUES] if _SETTING & set(data["tools"]) else []
    return "\n".join([_CALLS, *values, "Tools:", *lines])


def _traversal(data: dict[str, Any]) -> str:
    place = world.world_from(data)
    return "\n\n".join((telling.world_text(place), f"{_PLAN}\n{telling.rules_text(place)}"))


def world_problems(worlds: Sequence[str]) -> list[str]:
    """Return what is wrong with a task's worlds, one sentence each; set-ups in Luau are not looked at."""
    found: list[str] = []
    for number, text in enumerate(worlds, start=1):
        if simulator_of(text):
            found += [f"world {number}: {wrong}" for wrong in _problems(json.loads(text))]
    return found


def _studio_problems(data: dict[str, Any]) -> Iterator[str]:
    yield from (f"unknown tool {name}" for name in data.get("tools", ()) if name not in TOOLS)
    if not data.get("tools"):
        yield "it offers no tools"
    yield from (f'unknown key "{key}". {choices_hint(key, _KEYS)}' for key in data if key not in _KEYS)
    if data.get("mode", "edit") not in ("edit", "play"):
        yield f'its mode is "{data["mode"]}"; choices: edit, play'
    yield from tree_problems(data.get("tree", {}))
    for asset in data.get("assets", {}).values():
        yield from entry_problems(asset, "assets", load())


def _problems(data: dict[str, Any]) -> list[str]:
    if data["simulator"] not in SIMULATORS:
        return [f'unknown simulator "{data["simulator"]}"; choices: {", ".join(SIMULATORS)}']
    if data["simulator"] == "studio":
        return list(_studio_problems(data))
    try:
        return world.problems(world.world_from(data))
    except (KeyError, TypeError, ValueError) as error:
        return [f"it is no world: {type(error).__name__}: {error}"]
