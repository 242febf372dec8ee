"""A world and its rules as a prompt tells them; the numbers are those the plan is carried out by."""

from __future__ import annotations

from eval.domains.roblox.studio.traversal.world import Position, Thing, World


def rules_text(world: World) -> str:
    """Return the rules of ``world`` as the prompt tells them: those of the actions that it allows for."""
    r = world.rules
    lines = [
        f"- walk(to): a platform at most {r.walk_reach:g} studs away horizontally and {r.walk_step:g} higher or lower. "
        f"{r.walk_energy:g} energy, {r.move_s:g} s.",
        f"- jump(to): at most {r.jump_reach:g} away horizontally, {r.jump_rise:g} up and {r.jump_drop:g} down. "
        f"{r.jump_energy:g} energy, {r.move_s:g} s.",
        f"- glide(to): a lower platform, at most {r.glide_ratio:g} times as far away horizontally as it lies lower. "
        f"{r.glide_energy:g} energy, {r.glide_s:g} s.",
    ]
    if world.anchors:
        lines += [
            f"- grapple(to): an anchor at most {r.grapple_reach:g} away in a straight line; the avatar then hangs "
            f"there and may grapple on. {r.grapple_energy:g} energy, {r.move_s:g} s.",
            f"- release(to): from an anchor to a platform no higher than it and at most {r.release_reach:g} away "
            f"horizontally. No energy, {r.move_s:g} s.",
        ]
    if world.things:
        rest = f" Resting gives {r.rest_energy:g} energy, up to that of the start, in {r.rest_s:g} s."
        lines.append(
            f"- interact(with): a thing on the platform where the avatar stands. No energy, {r.interact_s:g} s. What "
            f"it needs is used up.{rest if any(thing.rests for thing in world.things.values()) else ''}"
        )
    if world.moving:
        lines.append("- wait(seconds): any time up to 60 seconds.")
    return "\n".join([*lines, "A move out of reach, or onto a platform that is not there when it ends, is a fall."])


def world_text(world: World) -> str:
    """Return what there is in ``world`` as the prompt tells it."""
    lines = [
        f"The avatar stands on {world.start} with {world.energy:g} energy at second 0. Positions are [x, y, z], y up."
    ]
    lines += [f"- platform {name} {_told(place)}{_presence(world, name)}" for name, place in world.platforms.items()]
    lines += [f"- anchor {name} {_told(place)}" for name, place in world.anchors.items()]
    lines += [f"- {name} on {thing.at}{_effect(thing)}" for name, thing in world.things.items()]
    return "\n".join(lines)


def _told(place: Position) -> str:
    return "[" + ", ".join(f"{number:g}" for number in place) + "]"


def _presence(world: World, name: str) -> str:
    if name in world.hidden:
        return ", absent at first"
    if name not in world.moving:
        return ""
    period, there = world.moving[name]
    return f", there for the first {there:g} of every {period:g} seconds"


def _effect(thing: Thing) -> str:
    parts = [
        f"needs {' and '.join(thing.needs)}" if thing.needs else "",
        f"gives {thing.gives}" if thing.gives else "",
        f"makes {' and '.join(thing.raises)} appear" if thing.raises else "",
        f"makes {' and '.join(thing.lowers)} disappear" if thing.lowers else "",
        "lets the avatar rest" if thing.rests else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f": {told}" if told else ""
