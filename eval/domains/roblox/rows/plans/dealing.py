"""Drawn worlds into training rows of the family "embodiment", each with its cheapest plan and the checks it passes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import count, islice

from eval.dealing.checked_rows import CheckedRow
from eval.domains.roblox.rows.plans.searching import cheapest_plan
from eval.domains.roblox.rows.plans.worlds import drawn
from eval.domains.roblox.studio.traversal.plan import carry_out
from eval.domains.roblox.studio.traversal.world import world_from
from eval.domains.roblox.studio.worlds import brief
from eval.pipeline.forms.calls import listed
from eval.records import Row, TaskCheck

FAMILY = "embodiment"
KINDS = ("way", "key", "swing")
MIN_ACTIONS, MAX_ACTIONS = 3, 9
ASKS = (
    "Bring the avatar to {goal}.",
    "Find a way to {goal} that the energy allows.",
    "The avatar is to stand on {goal} in the end.",
    "Plan the moves from {start} to {goal}.",
    "Get from {start} to {goal} without a fall.",
    "Which moves lead to {goal}? Keep to the energy given.",
)


def dealt(n: int, seed: int) -> tuple[CheckedRow, ...]:
    """Return ``n`` different rows; the same numbers give the same ones."""
    return tuple(islice(_rows(seed), n))


def _rows(seed: int) -> Iterator[CheckedRow]:
    seen: set[str] = set()
    for number in count():
        chance = random.Random(f"plans/{seed}/{number}")
        made = _row(KINDS[number % len(KINDS)], chance)
        if made is not None and made.worlds[0] not in seen:
            seen.update(made.worlds)
            yield made


def _row(kind: str, chance: random.Random) -> CheckedRow | None:
    """Return a row; None where the world drawn has no plan of a fair length."""
    data, goal = drawn(kind, chance)
    plan = cheapest_plan(world_from(data), goal)
    if plan is None or not MIN_ACTIONS <= len(plan) <= MAX_ACTIONS:
        return None
    calls = [(call.name, call.arguments) for call in plan]
    spent = data["energy"] - carry_out(world_from(data), calls)["energy"]
    data["energy"] = spent + chance.choice((0, 0, 1, 2))
    world = json.dumps(data)
    ask = chance.choice(ASKS).format(goal=goal, start=data["start"])
    row = Row(
        ask, brief((world,)), listed(plan), FAMILY, cluster=f"roblox_rows.{FAMILY}.{kind}", kind=f"platforms_{kind}"
    )
    check = f'expect(run.reached("{goal}"), "it ends at " .. run.at .. " " .. run.fell .. run.refused)'
    return CheckedRow(row, "calls", (TaskCheck("ends there", check),), (world,))


def rows(n: int, seed: int) -> tuple[Row, ...]:
    """Return the rows of ``dealt``."""
    return tuple(dealt_row.row for dealt_row in dealt(n, seed))
