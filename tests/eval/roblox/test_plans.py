"""Plans to train on: every one carried out, the cheapest there is, and no world like one of the benchmark's."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.datasets.bench_files import read_bench
from eval.dealing.checked_rows import CheckedRow, task_of
from eval.domains.roblox import bench
from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.rows.plans.dealing import KINDS, dealt, rows
from eval.domains.roblox.rows.plans.searching import cheapest_plan
from eval.domains.roblox.rows.plans.worlds import drawn
from eval.domains.roblox.studio import worlds
from eval.domains.roblox.studio.traversal.plan import carry_out
from eval.domains.roblox.studio.traversal.world import problems, world_from
from eval.domains.roblox.verify.verifier import World
from eval.overlap.contamination import survey
from eval.pipeline.forms.calls import find_calls
from eval.pipeline.loop import judge
from eval.records import Outcome, Task

COUNT = 150
# Numbers up to this count things; larger ones would give an answer away.
SMALL = 25


@pytest.fixture(scope="module")
def plans() -> tuple[CheckedRow, ...]:
    return dealt(COUNT, 0)


@pytest.fixture(scope="module")
def tasks() -> Sequence[Task]:
    every = read_bench("robloxbench", Path(bench.__path__[0]), DOMAIN.families, DOMAIN.mod_name, worlds)
    return [task for task in every if task.family == "embodiment"]


def test_every_plan_passes_its_check_and_no_plan_that_lacks_a_step(plans: Sequence[CheckedRow], world: World) -> None:
    made = [task_of(plan, number, "") for number, plan in enumerate(plans)]
    verdicts = [verdict for _, verdict in judge([(task, task.reference) for task in made], world)]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.PASSED}
    cut = [(task, json.dumps(json.loads(task.reference)[:-1])) for task in made[:30]]
    assert {verdict.outcome for _, verdict in judge(cut, world)} == {Outcome.WRONG}


def test_every_action_but_waiting_is_taught_in_every_kind_of_world(plans: Sequence[CheckedRow]) -> None:
    used = Counter(call.name for plan in plans for call in find_calls(plan.row.output).calls)
    assert set(used) == {"walk", "jump", "glide", "grapple", "release", "interact"}
    assert {plan.row.kind for plan in plans} == {f"platforms_{kind}" for kind in KINDS}


def test_no_world_shares_a_name_or_a_larger_number_with_the_benchmark(
    plans: Sequence[CheckedRow], tasks: Sequence[Task]
) -> None:
    def words(text: str) -> set[str]:
        world = json.loads(text)
        return {name for key in ("platforms", "anchors", "things") for name in world.get(key, ())}

    def numbers(*texts: str) -> set[float]:
        return {float(text) for text in re.findall(r"\d+(?:\.\d+)?", " ".join(texts)) if float(text) > SMALL}

    asked = [text for task in tasks for text in task.worlds]
    assert not {name for text in asked for name in words(text)} & {
        name for plan in plans for name in words(plan.worlds[0])
    }
    assert not numbers(*asked) & {number for plan in plans for number in numbers(plan.worlds[0])}


def test_no_plan_is_near_a_benchmark_task(plans: Sequence[CheckedRow], tasks: Sequence[Task]) -> None:
    found = survey(tasks, [plan.row for plan in plans])
    assert [str(overlap) for overlap in found.overlaps] == []
    assert found.row_duplicates == ()
    assert not {task.cluster for task in tasks} & {plan.row.cluster for plan in plans}


def test_rows_follow_from_number_and_seed() -> None:
    assert rows(40, 3) == rows(60, 3)[:40]
    assert rows(40, 3) != rows(40, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_are_sound(kind: str) -> None:
    for number in range(60):
        data, goal = drawn(kind, random.Random(number))
        assert problems(world_from(data)) == []
        assert goal in data["platforms"]


def test_the_search_finds_the_cheapest_way_and_none_where_there_is_none() -> None:
    data = {
        "start": "A",
        "energy": 9,
        "platforms": {"A": [0, 6, 0], "B": [10, 6, 0], "C": [20, 6, 0], "D": [8, 0, 0], "Moon": [0, 90, 0]},
    }
    world = world_from(data)
    plan = cheapest_plan(world, "C")
    assert [(call.name, call.arguments["to"]) for call in plan or ()] == [("walk", "C")]
    assert [call.name for call in cheapest_plan(world, "D") or ()] == ["glide"]
    assert cheapest_plan(world, "Moon") is None
    assert cheapest_plan(world_from(data | {"energy": 0}), "C") is None
    trace = carry_out(world, [(call.name, call.arguments) for call in plan or ()])
    assert (trace["at"], trace["energy"]) == ("C", 8)


def test_no_dearer_plan_is_given_than_a_random_walk_finds(plans: Sequence[CheckedRow]) -> None:
    chance = random.Random(0)
    for plan in plans[:15]:
        data = json.loads(plan.worlds[0])
        world = world_from(data)
        calls = [(call.name, call.arguments) for call in find_calls(plan.row.output).calls]
        best = carry_out(world, calls)
        for _ in range(300):
            steps = [
                (chance.choice(["walk", "jump", "glide"]), {"to": chance.choice(list(world.platforms))})
                for _ in range(5)
            ]
            trace = carry_out(world, steps)
            reached = trace["stands"] and trace["at"] == best["at"]
            assert not reached or trace["energy"] <= best["energy"]
