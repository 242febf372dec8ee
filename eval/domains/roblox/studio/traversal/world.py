"""A world of platforms, anchors and things, and the rules of moving in it.

Geometry is in studs with y upward. Not modelled: physics, obstacles, other avatars; an avatar that stands on a platform
stays there when that one goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

Position = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Rules:
    """Reaches in studs, prices in energy, times in seconds."""

    walk_reach: float = 24
    walk_step: float = 2
    walk_energy: float = 1
    jump_reach: float = 12
    jump_rise: float = 7
    jump_drop: float = 20
    jump_energy: float = 3
    glide_ratio: float = 2.5
    glide_energy: float = 2
    grapple_reach: float = 60
    grapple_energy: float = 5
    release_reach: float = 15
    move_s: float = 2
    glide_s: float = 4
    interact_s: float = 1
    rest_energy: float = 10
    rest_s: float = 5


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to interact with.

    Attributes:
        at: the platform it is on; ``needs`` items that must be carried, which are used up.
        gives: an item; ``raises`` platforms that are absent until then; ``lowers`` platforms that are gone afterwards.
        rests: whether it restores energy instead, as often as it is used.
    """

    at: str
    needs: tuple[str, ...] = ()
    gives: str = ""
    raises: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    rests: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Where the avatar is.

    Attributes:
        platforms, anchors: name to position.
        hidden: platforms that are absent at first; ``moving`` gives each platform that comes and goes its period and
            how many seconds of it it is there, counted from the start.
        goal: what the plan is for, as the prompt says it.
    """

    start: str
    energy: float
    platforms: Mapping[str, Position]
    anchors: Mapping[str, Position] = field(default_factory=dict)
    things: Mapping[str, Thing] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    moving: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)


def world_from(data: Mapping[str, Any]) -> World:
    """Return the world that a task file describes. Raises KeyError, TypeError or ValueError on foreign data."""
    rules = Rules(**{key: float(value) for key, value in data.get("rules", {}).items()})
    return World(
        start=data["start"],
        energy=float(data["energy"]),
        platforms={name: _position(place) for name, place in data["platforms"].items()},
        anchors={name: _position(place) for name, place in data.get("anchors", {}).items()},
        things={name: _thing(thing) for name, thing in data.get("things", {}).items()},
        hidden=tuple(data.get("hidden", ())),
        moving={name: (float(period), float(there)) for name, (period, there) in data.get("moving", {}).items()},
        rules=rules,
    )


def _position(place: Sequence[float]) -> Position:
    x, y, z = map(float, place)
    return x, y, z


def _thing(data: Mapping[str, Any]) -> Thing:
    lists = {key: tuple(data.get(key, ())) for key in ("needs", "raises", "lowers")}
    return Thing(at=data["at"], gives=data.get("gives", ""), rests=bool(data.get("rests")), **lists)


def problems(world: World) -> list[str]:
    """Return what is wrong with a world as such, one sentence each: names that mean nothing."""
    known = set(world.platforms)
    found = [f"the start {world.start} is no platform"] if world.start not in known else []
    found += [
        f"{name} is listed as absent or moving and is no platform" for name in {*world.hidden, *world.moving} - known
    ]
    for name, thing in world.things.items():
        found += [f"{name}: {place} is no platform" for place in {thing.at, *thing.raises, *thing.lowers} - known]
    return found + [f"{rule.name} is negative" for rule in fields(Rules) if getattr(world.rules, rule.name) < 0]
