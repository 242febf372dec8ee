"""A plan is carried out by the rules that its prompt tells, and by no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eval.domains.roblox.studio.traversal.plan import carry_out
from eval.domains.roblox.studio.traversal.telling import rules_text, world_text
from eval.domains.roblox.studio.traversal.world import Rules, problems, world_from
from eval.domains.roblox.studio.worlds import brief, world_problems

WORLD: dict[str, Any] = {
    "simulator": "traversal",
    "start": "Quay",
    "energy": 20,
    "platforms": {
        "Quay": [0, 0, 0],
        "Crane": [10, 6, 0],
        "Roof": [30, 6, 0],
        "Mast": [30, 14, 40],
        "Barge": [0, 0, 20],
        "Raft": [0, 0, 30],
    },
    "anchors": {"Hook": [20, 20, 40], "Far": [500, 20, 0]},
    "things": {
        "lever": {"at": "Crane", "gives": "rope"},
        "winch": {"at": "Roof", "needs": ["rope"], "raises": ["Barge"], "lowers": ["Crane"]},
        "bench": {"at": "Roof", "rests": True},
    },
    "hidden": ["Barge"],
    "moving": {"Raft": [8, 4]},
}


def step(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return name, arguments


def run(*plan: tuple[str, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return carry_out(world_from(WORLD | changes), plan)


def test_a_plan_within_reach_ends_where_it_says_with_the_prices_paid() -> None:
    trace = run(
        step("jump", to="Crane"), step("interact", **{"with": "lever"}), step("walk", to="Roof"),
        step("interact", **{"with": "winch"}), step("grapple", to="Hook"), step("release", to="Mast"),
    )  # fmt: skip
    assert (trace["at"], trace["stands"], trace["fell"], trace["refused"]) == ("Mast", True, "", "")
    assert trace["energy"] == 20 - 3 - 1 - 5
    assert trace["time_s"] == 2 + 1 + 2 + 1 + 2 + 2
    assert trace["visited"] == ["Quay", "Crane", "Roof", "Mast"]
    assert trace["used"] == ["lever", "winch"]
    assert trace["items"] == []


FALLS = {
    "a jump too high": ([step("jump", to="Mast")], "step 1 (jump): Mast is 50.0 away and +14.0 high: no jump"),
    "a walk up a step": ([step("walk", to="Crane")], "step 1 (walk): Crane is 10.0 away and +6.0 high: no walk"),
    "a glide upward": ([step("glide", to="Crane")], "no glide"),
    "a glide too flat": ([step("jump", to="Crane"), step("glide", to="Raft")], "step 2 (glide): Raft is 31.6 away"),
    "an anchor too far": ([step("grapple", to="Far")], "Far is 500.4 away: no grapple"),
    "a platform not yet there": ([step("walk", to="Barge")], "Barge is not there"),
    "a platform gone again": ([step("wait", seconds=2), step("jump", to="Raft")], "Raft is 30.0 away"),
}


@pytest.mark.parametrize("name", FALLS)
def test_out_of_reach_is_a_fall_that_ends_the_plan(name: str) -> None:
    plan, why = FALLS[name]
    trace = run(*plan, step("wait", seconds=1))
    assert why in trace["fell"]
    assert not trace["stands"]
    assert trace["steps"] == len(plan) - 1


def test_a_platform_that_comes_and_goes_is_landed_on_only_while_it_is_there() -> None:
    near = {"platforms": {"Quay": [0, 0, 0], "Raft": [0, 0, 20]}, "things": {}, "hidden": []}
    assert run(step("wait", seconds=1), step("walk", to="Raft"), **near)["at"] == "Raft"
    late = run(step("wait", seconds=2), step("walk", to="Raft"), **near)
    assert late["fell"] == "step 2 (walk): Raft is not there at second 4"
    assert run(step("wait", seconds=6), step("walk", to="Raft"), **near)["at"] == "Raft"


REFUSED = {
    "an unknown action": (step("fly", to="Roof"), "there is no action fly"),
    "a missing argument": (step("walk"), "it takes to, not nothing"),
    "an unknown platform": (step("walk", to="Moon"), "there is no platform Moon"),
    "a list for a name": (step("walk", to=["Crane"]), "there is no platform"),
    "where it stands": (step("walk", to="Quay"), "the avatar is on Quay already"),
    "a thing elsewhere": (step("interact", **{"with": "lever"}), "lever is on Crane"),
    "no hold to release": (step("release", to="Roof"), "the avatar hangs at nothing"),
    "waiting backwards": (step("wait", seconds=-1), "seconds must be a number above 0"),
    "a truth for a number": (step("wait", seconds=True), "seconds must be a number above 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_action_that_cannot_begin_ends_the_plan_where_it_is(name: str) -> None:
    action, why = REFUSED[name]
    trace = run(action, step("wait", seconds=1))
    assert why in trace["refused"]
    assert (trace["at"], trace["steps"], trace["energy"]) == ("Quay", 0, 20)


def test_energy_ends_and_rest_gives_it_back_up_to_that_of_the_start() -> None:
    poor = run(step("jump", to="Crane"), energy=2)
    assert poor["refused"] == "step 1 (jump): it takes 3 energy, 2 are left"
    rested = run(step("jump", to="Crane"), step("walk", to="Roof"), step("interact", **{"with": "bench"}))
    assert rested["energy"] == 20


def test_what_a_thing_needs_is_used_up() -> None:
    without = run(step("jump", to="Crane"), step("walk", to="Roof"), step("interact", **{"with": "winch"}))
    assert without["refused"] == "step 3 (interact): winch needs rope"


def test_the_prompt_tells_the_numbers_that_the_plan_is_carried_out_by() -> None:
    world = world_from(WORLD | {"rules": {"jump_rise": 3.5}})
    assert "3.5 up" in rules_text(world)
    assert carry_out(world, [step("jump", to="Crane")])["fell"]
    told = world_text(world)
    for name in (*WORLD["platforms"], *WORLD["anchors"], *WORLD["things"]):
        assert name in told
    assert "Raft [0, 0, 30], there for the first 4 of every 8 seconds" in told
    assert brief([json.dumps(WORLD)]).startswith("The avatar stands on Quay with 20 energy")
    for rule in ("walk_reach", "jump_drop", "glide_ratio", "grapple_reach", "release_reach", "rest_energy"):
        changed = world_from(WORLD | {"rules": {rule: getattr(Rules(), rule) + 0.25}})
        assert rules_text(changed) != rules_text(world_from(WORLD)), f"{rule} is not told"


def test_a_world_whose_names_mean_nothing_is_named() -> None:
    broken = WORLD | {"start": "Nowhere", "hidden": ["Fog"]}
    assert problems(world_from(broken)) == [
        "the start Nowhere is no platform",
        "Fog is listed as absent or moving and is no platform",
    ]
    assert world_problems([json.dumps({"simulator": "traversal"})]) == ["world 1: it is no world: KeyError: 'start'"]
    assert world_problems(['{"simulator": "studio", "tools": ["fly"]}']) == ["world 1: unknown tool fly"]
    assert world_problems(["workspace.Name = 'x'"]) == []


def test_a_place_that_the_engine_would_not_hold_is_named() -> None:
    place = {
        "simulator": "studio",
        "tools": ["run_code"],
        "modus": "edit",
        "tree": {
            "Workspace": [{"Part A": {"Colour": 1, "Children": ["Sofa B", {"Folder C": {"Children": ["BasePart"]}}]}}],
            "Warehouse": [3],
            "ServerStorage": "Part",
        },
    }
    assert world_problems([json.dumps(place)]) == [
        'world 1: unknown key "modus". Did you mean "mode"?',
        "world 1: Workspace.A: Part has no property Colour",
        "world 1: Workspace.A.B: no instance of the class Sofa can be made",
        "world 1: Workspace.A.C.BasePart: no instance of the class BasePart can be made",
        "world 1: unknown service Warehouse",
        "world 1: Warehouse: an entry is neither a title nor a mapping of one title",
        "world 1: ServerStorage: its content is no list",
    ]
