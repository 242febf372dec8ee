"""The cheapest plan to a platform: Dijkstra's algorithm over what an avatar can be in, with energy as the cost.

Only worlds without moving platforms are searched: there the time does not matter.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Any

from eval.domains.roblox.studio.traversal.plan import Avatar, Fall, Impossible, act
from eval.domains.roblox.studio.traversal.world import World
from eval.pipeline.forms.calls import Call

MAX_STATES = 4000
State = tuple[str, str, tuple[str, ...], frozenset[str]]


def cheapest_plan(world: World, goal: str) -> tuple[Call, ...] | None:
    """Return the plan of least energy that ends standing on ``goal``; of equals one of the fewest actions.

    None where there is none, or where more than 4,000 states would have to be looked at.
    """
    start = Avatar(world.start, world.energy, present=set(world.platforms) - set(world.hidden))
    numbers = count()
    queue: list[tuple[float, int, int, Avatar, tuple[Call, ...]]] = [(0.0, 0, next(numbers), start, ())]
    done: set[State] = set()
    while queue and len(done) < MAX_STATES:
        _, length, _, avatar, plan = heapq.heappop(queue)
        if avatar.at == goal and not avatar.hangs:
            return plan
        if _state(avatar) in done:
            continue
        done.add(_state(avatar))
        for call in _choices(world, avatar):
            after = _after(world, avatar, call)
            if after is not None and _state(after) not in done:
                cost = world.energy - after.energy
                heapq.heappush(queue, (cost, length + 1, next(numbers), after, (*plan, call)))
    return None


def _state(avatar: Avatar) -> State:
    return avatar.at, avatar.hangs, tuple(sorted(avatar.items)), frozenset(avatar.present)


def _choices(world: World, avatar: Avatar) -> Iterator[Call]:
    """Yield every action that could be tried, in a fixed order."""
    if avatar.hangs:
        yield from (Call("release", {"to": name}) for name in world.platforms)
    else:
        moves = ("walk", "jump", "glide")
        yield from (Call(move, {"to": name}) for name in world.platforms for move in moves if name != avatar.at)
        yield from (Call("interact", {"with": name}) for name, thing in world.things.items() if thing.at == avatar.at)
    yield from (Call("grapple", {"to": name}) for name in world.anchors if name != avatar.hangs)


def _after(world: World, avatar: Avatar, call: Call) -> Avatar | None:
    """Return the avatar after an action; None where it falls or cannot begin."""
    after = Avatar(avatar.at, avatar.energy, avatar.time_s, avatar.hangs, list(avatar.items), set(avatar.present))
    arguments: dict[str, Any] = call.arguments
    try:
        act(world, after, call.name, arguments)
    except (Fall, Impossible):
        return None
    return after
