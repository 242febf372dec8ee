"""A plan carried out in a world: each action has a reach, a price in energy and a time.

Out of reach the avatar falls and the plan ends; an action that cannot begin ends it too. The same plan in the same
world always gives the same trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.domains.roblox.studio.traversal.world import Position, Thing, World

# Sums of decimal prices must not depend on their order.
_ROUNDED = 6


@dataclass(slots=True)
class Avatar:
    """The avatar in the middle of a plan; ``hangs`` is the anchor it hangs at, "" when it stands."""

    at: str
    energy: float
    time_s: float = 0.0
    hangs: str = ""
    items: list[str] = field(default_factory=list)
    present: set[str] = field(default_factory=set)


class Fall(Exception):
    """The avatar left what carried it and reached nothing."""


class Impossible(Exception):
    """The action cannot be begun: nothing of that name, no energy, not the place for it."""


Action = Callable[[World, Avatar, Mapping[str, Any]], None]


def carry_out(world: World, plan: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return what comes of ``plan``, a list of (action, arguments), as plain data.

    Keys: at (a platform, or an anchor it hangs at), stands, fell, refused ("" or why an action could not begin),
    energy, time_s, steps (carried out), visited (platforms in order, the start first), used (things in order), items,
    actions (names of those carried out).
    """
    present = set(world.platforms) - set(world.hidden)
    avatar = Avatar(world.start, world.energy, present=present)
    visited, used, actions = [world.start], [], []
    fell = refused = ""
    for number, (name, arguments) in enumerate(plan, start=1):
        try:
            act(world, avatar, name, arguments)
        except Fall as error:
            fell = f"step {number} ({name}): {error}"
            break
        except Impossible as error:
            refused = f"step {number} ({name}): {error}"
            break
        actions.append(name)
        if name == "interact":
            used.append(arguments["with"])
        elif not avatar.hangs and (visited[-1] != avatar.at or name != "wait"):
            visited.append(avatar.at)
    return {
        "at": avatar.hangs or avatar.at,
        "stands": not avatar.hangs and not fell,
        "fell": fell,
        "refused": refused,
        "energy": round(avatar.energy, _ROUNDED),
        "time_s": round(avatar.time_s, _ROUNDED),
        "steps": len(actions),
        "visited": visited,
        "used": used,
        "items": list(avatar.items),
        "actions": actions,
    }


def act(world: World, avatar: Avatar, name: str, arguments: Mapping[str, Any]) -> None:
    """Carry out one action. Raises Fall where it ends in one, Impossible where it cannot begin."""
    if name not in ACTIONS:
        raise Impossible(f"there is no action {name}; actions: {', '.join(ACTIONS)}")
    wanted, action = ACTIONS[name]
    if set(arguments) != set(wanted):
        raise Impossible(
            f"it takes {', '.join(wanted) or 'nothing'}, not {', '.join(map(str, arguments)) or 'nothing'}"
        )
    action(world, avatar, arguments)


def _spend(avatar: Avatar, energy: float, seconds: float) -> None:
    if avatar.energy + 10**-_ROUNDED < energy:
        raise Impossible(f"it takes {energy:g} energy, {avatar.energy:g} are left")
    avatar.energy -= energy
    avatar.time_s += seconds


def _target(world: World, avatar: Avatar, name: Any) -> Position:
    if avatar.hangs:
        raise Impossible(f"the avatar hangs at {avatar.hangs}: release first")
    if name == avatar.at:
        raise Impossible(f"the avatar is on {name} already")
    return _platform(world, name)


def _platform(world: World, name: Any) -> Position:
    if not isinstance(name, str) or name not in world.platforms:
        raise Impossible(f"there is no platform {name}")
    return world.platforms[name]


def _land(world: World, avatar: Avatar, name: str) -> None:
    """Put the avatar on a platform, if it is there at this moment."""
    if name not in avatar.present:
        raise Fall(f"{name} is not there")
    if name in world.moving:
        period, there = world.moving[name]
        if round(avatar.time_s % period, _ROUNDED) >= there:
            raise Fall(f"{name} is not there at second {avatar.time_s:g}")
    avatar.at, avatar.hangs = name, ""


def _apart(one: Position, other: Position) -> tuple[float, float]:
    """Return the horizontal distance and the rise from ``one`` to ``other``."""
    return math.hypot(other[0] - one[0], other[2] - one[2]), other[1] - one[1]


def _walk(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    rules, place = world.rules, _target(world, avatar, arguments["to"])
    far, rise = _apart(world.platforms[avatar.at], place)
    _spend(avatar, rules.walk_energy, rules.move_s)
    if far > rules.walk_reach or abs(rise) > rules.walk_step:
        raise Fall(f"{arguments['to']} is {far:.1f} away and {rise:+.1f} high: no walk")
    _land(world, avatar, arguments["to"])


def _jump(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    rules, place = world.rules, _target(world, avatar, arguments["to"])
    far, rise = _apart(world.platforms[avatar.at], place)
    _spend(avatar, rules.jump_energy, rules.move_s)
    if far > rules.jump_reach or rise > rules.jump_rise or -rise > rules.jump_drop:
        raise Fall(f"{arguments['to']} is {far:.1f} away and {rise:+.1f} high: no jump")
    _land(world, avatar, arguments["to"])


def _glide(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    rules, place = world.rules, _target(world, avatar, arguments["to"])
    far, rise = _apart(world.platforms[avatar.at], place)
    _spend(avatar, rules.glide_energy, rules.glide_s)
    if rise >= 0 or far > rules.glide_ratio * -rise:
        raise Fall(f"{arguments['to']} is {far:.1f} away and {rise:+.1f} high: no glide")
    _land(world, avatar, arguments["to"])


def _grapple(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    anchor = arguments["to"]
    if not isinstance(anchor, str) or anchor not in world.anchors:
        raise Impossible(f"there is no anchor {anchor}")
    here = world.anchors[avatar.hangs] if avatar.hangs else world.platforms[avatar.at]
    if anchor == avatar.hangs:
        raise Impossible(f"the avatar hangs at {anchor} already")
    _spend(avatar, world.rules.grapple_energy, world.rules.move_s)
    if math.dist(here, world.anchors[anchor]) > world.rules.grapple_reach:
        raise Fall(f"{anchor} is {math.dist(here, world.anchors[anchor]):.1f} away: no grapple")
    avatar.hangs = anchor


def _release(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    if not avatar.hangs:
        raise Impossible("the avatar hangs at nothing")
    place = _platform(world, arguments["to"])
    far, rise = _apart(world.anchors[avatar.hangs], place)
    _spend(avatar, 0, world.rules.move_s)
    if far > world.rules.release_reach or rise > 0:
        raise Fall(f"{arguments['to']} is {far:.1f} away and {rise:+.1f} high: no release")
    _land(world, avatar, arguments["to"])


def _interact(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    name = arguments["with"]
    thing = world.things.get(name) if isinstance(name, str) else None
    if thing is None:
        raise Impossible(f"there is nothing called {name}")
    if avatar.hangs or thing.at != avatar.at:
        raise Impossible(f"{name} is on {thing.at}")
    lacking = [item for item in thing.needs if item not in avatar.items]
    if lacking:
        raise Impossible(f"{name} needs {', '.join(lacking)}")
    _spend(avatar, 0, world.rules.rest_s if thing.rests else world.rules.interact_s)
    if thing.rests:
        avatar.energy = min(world.energy, avatar.energy + world.rules.rest_energy)
    _take_effect(avatar, thing)


def _take_effect(avatar: Avatar, thing: Thing) -> None:
    for item in thing.needs:
        avatar.items.remove(item)
    if thing.gives and thing.gives not in avatar.items:
        avatar.items.append(thing.gives)
    avatar.present |= set(thing.raises)
    avatar.present -= set(thing.lowers)


def _wait(world: World, avatar: Avatar, arguments: Mapping[str, Any]) -> None:
    seconds = arguments["seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 60:
        raise Impossible("seconds must be a number above 0 and at most 60")
    avatar.time_s += seconds


ACTIONS: dict[str, tuple[tuple[str, ...], Action]] = {
    "walk": (("to",), _walk),
    "jump": (("to",), _jump),
    "glide": (("to",), _glide),
    "grapple": (("to",), _grapple),
    "release": (("to",), _release),
    "interact": (("with",), _interact),
    "wait": (("seconds",), _wait),
}
