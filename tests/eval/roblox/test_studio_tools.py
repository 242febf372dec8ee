"""The tools' schemas refuse what no tool takes, and data reaches the VM as data, whatever it holds."""

from __future__ import annotations

import json

import pytest

from eval.domains.roblox.studio.judging import is_simulated, runs
from eval.domains.roblox.studio.luau_literal import chunk, literal
from eval.domains.roblox.studio.tools import TOOLS, fault, signature
from eval.domains.roblox.studio.worlds import brief
from eval.pipeline.forms.calls import MalformedCalls
from eval.pipeline.verifier import Job

EVERY = tuple(TOOLS)


def test_the_seventeen_tools_of_the_public_trajectories_are_known() -> None:
    assert len(TOOLS) == 17
    for name in TOOLS:
        assert signature(name).startswith(f"{name}(")


FAULTS = {
    "no such tool": ("fly", {}, "there is no tool fly"),
    "a missing argument": ("run_code", {}, "run_code: arguments: 'code' is a required property"),
    "one too many": ("get_studio_mode", {"mode": "Edit"}, "Additional properties are not allowed"),
    "a wrong type": ("run_code", {"code": 7}, "run_code: arguments['code']: 7 is not of type 'string'"),
    "an empty text": ("delete_object", {"path": ""}, "arguments['path']"),
    "a wrong choice": ("start_stop_play", {"action": "pause"}, "'pause' is not one of ['start', 'stop']"),
    "inside a list": ("mass_create_objects", {"objects": [{"parent": "Workspace"}]}, "arguments['objects'][0]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_call_that_no_schema_allows_is_told_with_its_place(name: str) -> None:
    tool, arguments, why = FAULTS[name]
    assert why in fault(tool, arguments, EVERY)


def test_a_tool_that_the_task_does_not_offer_is_unknown() -> None:
    assert fault("run_code", {"code": "print(1)"}, ("get_studio_mode",)) == "there is no tool run_code"
    assert fault("run_code", {"code": "print(1)"}, ("run_code",)) == ""


def test_no_text_leaves_its_quotes() -> None:
    hostile = '"] .. game:Destroy() --\\\n\0\x1b]]Ä'
    written = literal(hostile)
    assert written.count('"') == 2
    assert "game:Destroy" in written
    assert "\n" not in written
    assert "\\034\\093" not in literal("x")


def test_values_of_json_are_written_as_luau() -> None:
    data = {"a": [1, 2.5, True, None], "end": {"x": -3}, "big": 10**400}
    assert chunk(data) == 'return {["a"]={(1.0),(2.5),true,nil},["end"]={["x"]=(-3.0)},["big"]=(1/0)}'


def world(**more: object) -> str:
    return json.dumps({"simulator": "studio", "tools": ["run_code", "set_property"], "tree": {}} | more)


def test_a_job_is_one_run_a_world_with_faults_beside_the_calls() -> None:
    code = json.dumps({"calls": [{"name": "run_code", "arguments": {}}], "answer": "Done."})
    job = Job(code, (), "", (world(), world(mode="play")))
    assert is_simulated(job)
    assert not is_simulated(Job("print(1)", (), "", ("workspace.Name = 'x'",)))
    first, second = runs(job)
    assert first.kind == second.kind == "studio"
    assert "is a required property" in first.data
    assert '["mode"]="play"' in second.data


@pytest.mark.parametrize(
    ("code", "why"), [("return {}", "calls no tool"), ('{"calls": [], "answer": ""}', "calls is empty")]
)
def test_a_job_whose_code_calls_nothing_is_malformed(code: str, why: str) -> None:
    with pytest.raises(MalformedCalls, match=why):
        runs(Job(code, (), "", (world(),)))


def test_a_prompt_tells_the_offered_tools_and_how_values_are_written_where_they_are() -> None:
    told = brief([world()])
    assert "- run_code(code): runs Luau in the mode that Studio is in" in told
    assert "A Vector3 is written [x, y, z]" in told
    assert "delete_object" not in told
    assert "Vector3" not in brief([world(tools=["run_code"])])
    assert brief([]) == brief(["workspace.Name = 'x'"]) == ""
