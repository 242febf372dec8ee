"""The simulated Studio: what each tool does and refuses, what playing changes and stopping takes back, and no way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eval.domains.roblox.studio.tools import TOOLS
from eval.domains.roblox.verify.verifier import World, open_pool
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck, Verdict
from tests.support.settings import verifier_settings

TREE: dict[str, Any] = {
    "Workspace": [
        {"Part Lamp": {"Position": [0, 5, 0], "Anchored": True, "Tags": ["Light"], "Attributes": {"Watts": 40}}},
        {"Folder Hall": {"Children": [{"Part Door": {"Material": "Wood"}}, "Part Door2"]}},
    ],
    "ServerScriptService": [{"Script Main": {"Source": "print('main runs')\nworkspace.Lamp.Transparency = 0.5"}}],
}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def judged(world: World, calls: list[dict[str, Any]], *checks: str, **place: Any) -> Verdict:
    data = {"simulator": "studio", "tools": list(TOOLS), "tree": TREE} | place
    listed = tuple(TaskCheck(f"check {at}", text) for at, text in enumerate(checks))
    document = json.dumps({"calls": calls, "answer": "Done."})
    return world.submit(Job(document, listed, "", (json.dumps(data),))).result()


def passes(world: World, calls: list[dict[str, Any]], *checks: str, **place: Any) -> None:
    verdict = judged(world, calls, *checks, **place)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


RESULTS = {
    "a file tree": (call("get_file_tree"), "scripts[1].path", "ServerScriptService.Main"),
    "a search by name": (call("search_objects", query="door"), "results[2].path", "Workspace.Hall.Door2"),
    "a search by value": (call("search_by_property", property="Anchored", value=True), "results[1].name", "Lamp"),
    "an enum's search": (call("search_by_property", property="Material", value="Wood"), "results[1].name", "Door"),
    "children": (call("get_instance_children", path="Workspace.Hall"), "children[1].className", "Part"),
    "attributes": (call("get_instance_properties", path="Workspace.Lamp"), "properties.Attributes.Watts", 40),
    "a vector": (call("get_instance_properties", path="game.Workspace.Lamp"), "properties.Position[2]", 5),
    "a source": (call("get_instance_properties", path="ServerScriptService.Main"), "properties.ClassName", "Script"),
    "the mode": (call("get_studio_mode"), "mode", "Edit"),
    "output": (call("run_code", code="print(1 + 1)\nwarn('w')"), "output[2]", "w"),
    "a playing script's output": (call("run_script_in_play_mode", code="print(workspace.Lamp.Transparency)"),
                                  "output[1]", "0.5"),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_a_tool_returns_what_the_place_holds(world: World, name: str) -> None:
    made, where, expected = RESULTS[name]
    passes(world, [made], f"equal(studio.failed(), '') equal(studio.calls[1].result.{where}, {json.dumps(expected)})")


REFUSED = {
    "a path to nothing": (call("delete_object", path="Workspace.Hal"), "Instance not found at path: Workspace.Hal"),
    "a service": (call("delete_object", path="Workspace"), "a service cannot be deleted"),
    "no such class": (
        call("create_object", className="Sofa", parent="Workspace"),
        'Unable to create an Instance of type "Sofa"',
    ),
    "an abstract class": (call("create_object", className="BasePart", parent="Workspace"), "Unable to create"),
    "no such property": (
        call("set_property", path="Workspace.Lamp", property="Colour", value=1),
        'Colour is not a valid member of Part "Workspace.Lamp"',
    ),
    "a wrong type": (call("set_property", path="Workspace.Lamp", property="Anchored", value="yes"), "boolean expected"),
    "a short vector": (call("set_property", path="Workspace.Lamp", property="Size", value=[1, 2]), "[x, y, z]"),
    "a colour of bytes": (call("set_property", path="Workspace.Lamp", property="Color", value=[255, 0, 0]), "0 to 1"),
    "no such item": (call("set_property", path="Workspace.Lamp", property="Material", value="Oak"), "is no Material"),
    "read-only": (call("set_property", path="Workspace.Lamp", property="Mass", value=1), "read only"),
    "an unknown asset": (call("insert_model", assetId=7, parent="Workspace"), "has no asset"),
    "stopping what does not play": (call("start_stop_play", action="stop"), "the place is not playing"),
    "a syntax error": (call("run_code", code="print(("), "Expected identifier"),
    "an error": (call("run_code", code="local x = nil\nprint(x.y)"), "run_code:2: attempt to index nil with 'y'"),
    "an endless wait": (call("run_code", code="while true do task.wait() end"), "still waits after 10 seconds"),
    "a schema": (call("run_code"), "'code' is a required property"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_call_that_cannot_be_done_fails_with_its_reason_and_changes_nothing(world: World, name: str) -> None:
    made, why = REFUSED[name]
    passes(
        world,
        [made],
        f"equal(studio.calls[1].ok, false) contains(studio.failed(), {json.dumps(why)})",
        "equal(studio.changed(), '')",
        readonly=True,
    )


def test_several_objects_are_created_all_or_none(world: World) -> None:
    good = {"className": "Part", "parent": "Workspace.Hall", "properties": {"Name": "Bench"}}
    bad = {"className": "Part", "parent": "Workspace.Attic"}
    passes(world, [call("mass_create_objects", objects=[good, good])], "equal(#workspace.Hall:GetChildren(), 4)")
    passes(
        world,
        [call("mass_create_objects", objects=[good, bad])],
        "contains(studio.failed(), 'object 2: Instance not found')",
        "equal(#workspace.Hall:GetChildren(), 2)",
    )


def test_what_is_changed_while_playing_is_lost_when_it_stops(world: World) -> None:
    calls = [
        call("start_stop_play", action="start"),
        call("delete_object", path="Workspace.Hall"),
        call("run_code", code="workspace.Lamp.Name = 'Sun' workspace:SetAttribute('Day', 1)"),
        call("start_stop_play", action="stop"),
    ]
    passes(
        world,
        calls,
        "equal(studio.failed(), '') equal(studio.mode, 'Edit') equal(studio.changed(), '')",
        "equal(workspace:GetAttribute('Day'), nil) equal(workspace.Lamp.Transparency, 0)",
        readonly=True,
    )
    passes(world, calls[:-1], "equal(studio.mode, 'Play')", "equal(studio.find('Workspace.Hall'), nil)")


def test_what_is_set_of_a_service_is_a_change_unless_playing_took_it_back(world: World) -> None:
    lighter = call("run_code", code="workspace.Gravity = 1")
    passes(world, [lighter], "contains(studio.changed(), 'Workspace')", readonly=True)
    passes(
        world,
        [call("run_code", code="workspace:SetAttribute('A', 1)")],
        "contains(studio.changed(), 'A=1')",
        readonly=True,
    )
    playing = [call("start_stop_play", action="start"), lighter, call("start_stop_play", action="stop")]
    passes(world, playing, "equal(studio.changed(), '') near(workspace.Gravity, 196.2)", readonly=True)


def test_only_instances_can_be_selected(world: World) -> None:
    forged = "game:GetService('Selection'):Set({ { GetFullName = function() return 'Workspace.Lamp' end } })"
    passes(
        world,
        [call("run_code", code=forged)],
        "contains(studio.failed(), 'Unable to cast table to Object') equal(studio.selected(), {})",
    )


def test_a_source_that_would_kill_the_compiler_is_refused(world: World) -> None:
    written = "workspace.Parent.ServerScriptService.Main.Source = string.rep('a = 1 ', 4e6)"
    verdict = judged(
        world,
        [call("run_code", code=written), call("start_stop_play", action="start")],
        "expect(false, 'a check ran')",
    )
    assert verdict.outcome is Outcome.WRONG, verdict.detail


def test_scripts_run_only_while_the_place_plays_and_write_to_the_console(world: World) -> None:
    read = call("get_console_output", limit=1)
    passes(world, [read], "equal(studio.calls[1].result.output, {})")
    passes(
        world,
        [call("start_stop_play"), read],
        "equal(studio.calls[2].result.output, {'main runs'})",
        "equal(studio.lines(), {})",
    )


def test_a_script_of_the_place_that_fails_is_a_line_of_the_console_and_no_fault_of_the_calls(world: World) -> None:
    broken = {"ServerScriptService": [{"Script Main": {"Source": "error('no power')"}}]}
    passes(
        world,
        [call("start_stop_play"), call("get_console_output")],
        "equal(studio.failed(), '') contains(studio.calls[2].result.output[1], 'no power')",
        tree=broken,
    )


def test_code_may_read_and_write_sources_and_scripts_of_the_place_may_not(world: World) -> None:
    passes(
        world,
        [call("run_code", code="local m = game.ServerScriptService.Main m.Source = 'print(7)' print(m.Source)")],
        "equal(studio.lines(), {'print(7)'}) equal(studio.play(), {'7'})",
    )
    nosy = {"ServerScriptService": [{"Script Main": {"Source": "print(pcall(function() return script.Source end))"}}]}
    passes(world, [call("start_stop_play")], "contains(studio.console[1].text, 'lacking capability')", tree=nosy)


def test_a_tool_that_the_task_does_not_offer_does_nothing(world: World) -> None:
    passes(
        world,
        [call("delete_object", path="Workspace.Lamp")],
        "equal(studio.failed(), 'call 1 (delete_object): there is no tool delete_object')",
        "expect(studio.find('Workspace.Lamp'))",
        tools=["run_code"],
    )


def test_a_call_that_fails_is_told_beside_the_verdict(world: World) -> None:
    calls = [
        call("get_studio_mode"),
        call("run_code", code="error('mine', 0)"),
        call("delete_object", path="Workspace.Nix"),
    ]
    passes(
        world,
        calls,
        "local told = findings() equal(#told, 2, 'findings') contains(told[1], 'call 2 (run_code) failed: ')"
        "contains(told[1], 'mine') contains(told[2], 'call 3 (delete_object) failed: ')",
    )


def test_code_reads_and_sets_the_selection(world: World) -> None:
    code = (
        "local s = game:GetService('Selection') print(#s:Get(), s:Get()[1]) s:Set({workspace.Hall.Door}) "
        "s:Add({workspace.Hall, workspace.Hall.Door}) s:Remove({workspace.Lamp})"
    )
    passes(
        world,
        [call("run_code", code=code)],
        "equal(studio.failed(), '') equal(studio.lines(), {'1 Lamp'})",
        "equal(studio.selected(), {'Workspace.Hall', 'Workspace.Hall.Door'})",
        selection=["Workspace.Lamp"],
    )


def test_each_world_must_be_passed(world: World) -> None:
    document = json.dumps({"calls": [call("run_code", code="print('lamps=1')")], "answer": ""})
    count = TaskCheck("count", "equal(studio.lines('lamps='), {'lamps=' .. #workspace:GetChildren()})")
    places = [
        json.dumps({"simulator": "studio", "tools": ["run_code"], "tree": {"Workspace": ["Part A", "Part B"][:n]}})
        for n in (1, 2)
    ]
    guessed = world.submit(Job(document, (count,), "", tuple(places))).result()
    assert world.submit(Job(document, (count,), "", tuple(places[:1]))).result().outcome is Outcome.PASSED
    assert guessed.outcome is Outcome.WRONG


# What candidates may try: none may pass a check that never holds, end the harness, or see the judge.
HOSTILE = {
    "the judge's tables": "studio.mode = 'x' W.check_env.fail = print",
    "the environment above": "getfenv(0).equal = print getfenv(1).fail = print setfenv(0, {fail = print})",
    "the string metatable": "getmetatable('').__index = function() return function() end end",
    "the vector library": "vector.magnitude = function() return 0 end",
    "every child destroyed": "for _, s in game:GetChildren() do pcall(function() s:ClearAllChildren() end) end",
    "an error that prints itself": "error(setmetatable({}, {__tostring = function() return 'ok' end}))",
    "an error in a thread": "task.spawn(function() error('late') end)",
    "a thread that outlives the call": "task.delay(0, function() while true do task.wait() end end)",
    "deep recursion": "local function f() return 1 + f() end f()",
    "an on-demand file": "print(studio_session, studio_tools, studio, trace)",
    "the console flooded": "for i = 1, 1e5 do print(string.rep('x', 100)) end",
    "a locked parent": "game.Parent = workspace",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_never_passes_and_never_ends_the_harness(world: World, name: str) -> None:
    calls = [call("run_code", code=HOSTILE[name]), call("start_stop_play"), call("run_code", code=HOSTILE[name])]
    verdict = judged(world, calls, "equal(studio.lines('never'), {'never'})")
    assert verdict.outcome is Outcome.WRONG, verdict.detail
    honest = judged(
        world, [*calls, call("run_code", code="print('never')")], "equal(studio.used('run_code') > 0, true)"
    )
    assert honest.outcome in (Outcome.PASSED, Outcome.WRONG), honest.detail


def test_an_endless_loop_is_a_timeout_and_a_full_memory_is_memory() -> None:
    ends = {
        "while true do end": Outcome.TIMEOUT,
        "local t = {} while true do t[#t + 1] = string.rep('x', 1e6) .. #t end": Outcome.MEMORY,
    }
    with open_pool(verifier_settings(name="world", workers=1, cpu_s=0.5, memory_mb=48)) as short:
        for code, outcome in ends.items():
            assert judged(short, [call("run_code", code=code)], "fail('reached')").outcome is outcome
