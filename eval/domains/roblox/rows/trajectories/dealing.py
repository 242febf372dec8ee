"""Seeds into training rows of the family "tools": every seed in turn, each row with the world and checks it passes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from env.refusal import Refusal
from eval.dealing.checked_rows import CheckedRow
from eval.domains.roblox.rows import trajectories
from eval.domains.roblox.rows.trajectories.seed_files import Seed, filled, read_seeds
from eval.domains.roblox.studio.worlds import brief
from eval.pipeline.forms.calls import Call, listed
from eval.records import Row, TaskCheck

FAMILY = "tools"
# Draws in a row that give nothing new before a seed counts as used up.
TRIES = 40


def seeds() -> tuple[Seed, ...]:
    """Return every seed."""
    return read_seeds(Path(trajectories.__path__[0]))


def dealt(n: int, seed: int) -> tuple[CheckedRow, ...]:
    """Return ``n`` different trajectories; the same numbers give the same ones.

    Raises:
        Refusal: the seeds give fewer.
    """
    sources = [_draws(source, random.Random(f"trajectories/{seed}/{source.name}")) for source in seeds()]
    found: list[CheckedRow] = []
    while sources and len(found) < n:
        sources = [source for source in sources if len(found) < n and _take(source, found)]
    if len(found) < n:
        raise Refusal(f"{n} trajectories were requested, the seeds give {len(found)}.", "Request fewer.")
    return tuple(found)


def _take(source: Iterator[CheckedRow], found: list[CheckedRow]) -> bool:
    """Add the next trajectory of a source; False where it has none."""
    made = next(source, None)
    if made is not None:
        found.append(made)
    return made is not None


def _draws(seed: Seed, chance: random.Random) -> Iterator[CheckedRow]:
    """Yield different trajectories of a seed until draws repeat what there is."""
    seen: set[str] = set()
    misses = 0
    while misses < TRIES and len(seen) < seed.combinations:
        ask, values = seed.draw(chance)
        instruction = filled(ask, values)
        if instruction in seen:
            misses += 1
            continue
        seen.add(instruction)
        misses = 0
        world = json.dumps({"simulator": "studio", **filled(dict(seed.world), values)})
        calls = [Call(tool, filled(arguments, values)) for tool, arguments in seed.calls]
        checks = tuple(TaskCheck(name, filled(lua, values)) for name, lua in seed.checks.items())
        row = Row(
            instruction,
            brief((world,)),
            listed(calls),
            FAMILY,
            cluster=f"roblox_rows.{FAMILY}.{seed.name}",
            kind=f"studio_{seed.kind}",
        )
        yield CheckedRow(row, "calls", checks, (world,))


def rows(n: int, seed: int) -> tuple[Row, ...]:
    """Return the rows of ``dealt``."""
    return tuple(trajectory.row for trajectory in dealt(n, seed))
