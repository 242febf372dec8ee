"""Worlds of platforms drawn by chance: a way from platform to platform, and some that lead nowhere.

All coordinates end in .5 and no name is one of the benchmark's, so that no world of it can be met here.
"""

from __future__ import annotations

import random
from typing import Any

NAMES = (
    "Perch", "Sill", "Girder", "Terrace", "Parapet", "Stile", "Culvert", "Trestle", "Buttress", "Cornice", "Plinth",
    "Stairhead", "Skylight", "Catwalk", "Loft", "Alcove", "Rostrum", "Dais", "Pontoon", "Causeway", "Gable", "Lintel",
)  # fmt: skip
ANCHORS = ("Davit", "Pulley", "Outrigger", "Hawser")
# A thing that gives an item, and one that needs it.
PAIRS = (
    ("pouch", "token", "hatch"),
    ("crateful", "fuse", "socket"),
    ("casket", "disc", "reader"),
    ("rackful", "coil", "dynamo"),
)
# Horizontal distance and rise of a step of the way, within the default rules: walk, jump up, jump down, glide.
STEPS = {
    "walk": ((12, 22), (-1, 1)),
    "climb": ((5, 11), (3, 6)),
    "drop": ((5, 11), (-14, -5)),
    "soar": ((22, 30), (-18, -13)),
}


def drawn(kind: str, chance: random.Random) -> tuple[dict[str, Any], str]:
    """Return a world of a ``kind``, "way", "key" or "swing", with energy to spare, and the platform to reach."""
    count = chance.randint(4, 6)
    names = chance.sample(NAMES, count + 2)
    platforms = _chain(names[:count], chance)
    data: dict[str, Any] = {"simulator": "traversal", "start": names[0], "energy": 40, "platforms": platforms}
    if kind == "swing":
        data["anchors"] = _swing(platforms, names[count - 1], chance)
    if kind == "key":
        data |= _locked(platforms, names[:count], chance)
    for name in names[count:]:
        platforms[name] = _far_off(platforms, chance)
    data["platforms"] = dict(sorted(platforms.items()))
    return data, names[count - 1]


def _half(value: float) -> float:
    """Return the nearest number that ends in .5."""
    return round(value - 0.5) + 0.5


def _chain(names: list[str], chance: random.Random) -> dict[str, list[float]]:
    at = [0.5, _half(chance.uniform(20, 40)), 0.5]
    platforms = {names[0]: at}
    for name in names[1:]:
        (near, far), (low, high) = STEPS[chance.choice(list(STEPS))]
        distance, rise = chance.uniform(near, far), chance.uniform(low, high)
        share = chance.uniform(0.6, 1)
        at = [_half(at[0] + distance * share), _half(at[1] + rise), _half(at[2] + distance * (1 - share**2) ** 0.5)]
        platforms[name] = at
    return platforms


def _far_off(platforms: dict[str, list[float]], chance: random.Random) -> list[float]:
    """Return a place that no move of the default rules reaches from below."""
    x, y, z = chance.choice(list(platforms.values()))
    return [_half(x + chance.uniform(-9, 9)), _half(y + chance.uniform(14, 26)), _half(z - chance.uniform(2, 9))]


def _swing(platforms: dict[str, list[float]], goal: str, chance: random.Random) -> dict[str, list[float]]:
    """Move the goal out of every move's reach and hang an anchor above it, which the platform before it reaches."""
    *_, before, _ = platforms.values()
    x, y, z = before[0] + 33, before[1] + 10, before[2]
    platforms[goal] = [_half(x), _half(y), _half(z)]
    name, other = chance.sample(ANCHORS, 2)
    return {name: [_half(x - 4), _half(y + 13), _half(z + 3)], other: [_half(x + 90), _half(y + 40), _half(z)]}


def _locked(platforms: dict[str, list[float]], names: list[str], chance: random.Random) -> dict[str, Any]:
    """Hide the goal until a thing is used that needs an item from an earlier platform."""
    giver, item, taker = chance.choice(PAIRS)
    things = {
        giver: {"at": chance.choice(names[:-2]), "gives": item},
        taker: {"at": names[-2], "needs": [item], "raises": [names[-1]]},
    }
    return {"things": things, "hidden": [names[-1]]}
