"""The verifier: outcomes, the check library's failures, worlds, conditions, and what is refused."""

from __future__ import annotations

import pytest

from env.refusal import Refusal
from eval.domains import domain_named, open_verifier
from eval.domains.roblox.verify import machines
from eval.domains.roblox.verify import verifier as verifier_module
from eval.domains.roblox.verify.verifier import World, open_pool
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck
from tests.support.luau_programs import judged
from tests.support.settings import verifier_settings

PART = 'local p = Instance.new("Part") p.Name = "Lamp" p.Parent = workspace'


def test_a_verdict_names_the_vm_the_isolation_and_what_the_program_made(world: World) -> None:
    verdict = judged(world, PART, 'get("Workspace/Lamp")')
    assert verdict.verifier == world.name == "luau/0.686"
    assert verdict.isolation == world.isolation
    assert verdict.registered == ("Script ServerScriptService.Script", "Part Workspace.Lamp")


@pytest.mark.parametrize(
    ("code", "check", "outcome", "says"),
    [
        ("x = = 1", "", "SYNTAX_ERROR", "ServerScriptService.Script:1:"),
        ("error('no')", "", "RUNTIME_ERROR", "ServerScriptService.Script:1: no"),
        (
            PART,
            'equal(get("Workspace/Lamp").Anchored, true, "Anchored")',
            "WRONG",
            "Anchored: expected true, got false",
        ),
        (PART, 'get("Workspace/Door")', "WRONG", "there is no Workspace/Door"),
        (PART, "call(function() error('inside') end)", "RUNTIME_ERROR", "inside"),
        (PART, "x = = 1", "HARNESS_ERROR", "check:1:"),
        ("local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end", "", "MEMORY", "memory"),
        ("workspace.Terrain:Clear()", "", "NEEDS_STUDIO", "Terrain:Clear needs Roblox Studio"),
        ("pcall(function() workspace.Terrain:Clear() end)", "", "NEEDS_STUDIO", "Terrain:Clear"),
        ("x = 1", "--!before\nfail('bad task')", "HARNESS_ERROR", "bad task"),
        ("x = 1", "task.spawn(error, 'late')", "RUNTIME_ERROR", "late"),
        ("x = 1", "task.spawn(error, 'late') equal(#errors(), 1, 'errors')", "PASSED", ""),
    ],
)
def test_each_end_has_its_outcome_and_its_reason(world: World, code: str, check: str, outcome: str, says: str) -> None:
    verdict = judged(world, code, check)
    assert (str(verdict.outcome), says in verdict.detail) == (outcome, True), verdict.detail


FAILING = {
    "expect(false, 'no')": "no",
    "equal({ 1, { 2 } }, { 1, { 3 } }, 'list')": "list.2.1: expected 3, got 2",
    "equal(Vector3.new(1, 2, 3), Vector3.new(1, 2, 4), 'at')": "at: expected Vector3 1, 2, 4, got Vector3 1, 2, 3",
    "equal(nil, 1, 'value')": "value: expected 1, got nil",
    "equal('1', 1, 'value')": 'value: expected 1, got "1"',
    "near(1, 1.2, 0.1, 'speed')": "speed: expected 1.2 within 0.1, got 1",
    "near(0 / 0, 1, 5, 'speed')": "speed: expected 1 within 5, got nan",
    "near(nil, 1, 5, 'speed')": "speed: expected 1 within 5, got nil",
    "near(Vector3.one, Vector3.zero, 1, 'at')": "at: expected Vector3 0, 0, 0 within 1, got Vector3 1, 1, 1",
    "contains('abc', 'd', 'text')": 'text: expected text with "d", got "abc"',
    "contains({ 1, 2 }, 3, 'list')": "list: expected 3 among {1, 2}",
    "fail('so')": "so",
    "raises(function() end)": "the call should raise an error, and returned",
    "module('Shop')": 'the program has no module "Shop"',
    "player()": "there is no player",
    "touch(workspace, workspace)": "has no part that could touch",
    "click(workspace)": "Workspace cannot be clicked",
    "listeners(5)": "expected a signal, got 5",
    "add('Car')": 'there is no class "Car"',
    "call(function() coroutine.yield() end)": "a call did not return within 60 seconds",
    "pcall(equal, 1, 2, 'caught')": "caught: expected 2, got 1",
}


@pytest.mark.parametrize(("check", "says"), FAILING.items())
def test_a_check_that_does_not_hold_says_what_was_found(world: World, check: str, says: str) -> None:
    verdict = judged(world, "x = 1", check)
    assert verdict.outcome is Outcome.WRONG
    assert says in verdict.detail, verdict.detail


def test_the_first_failure_decides_and_later_checks_still_run(world: World) -> None:
    verdict = judged(world, PART, "fail('one')", "fail('two')", "expect(true)")
    assert verdict.detail == "check 0: one"
    assert [check.passed for check in verdict.checks] == [False, False, True]


def test_checks_may_wait_and_call_what_waits(world: World) -> None:
    code = "local m = {}\nfunction m.slow() task.wait(2) return 7 end\nreturn m"
    check = 'local m = module()\nequal(m.slow(), 7, "direct")\nequal(call(m.slow), 7, "call")\ntask.wait(1)\nnear(now(), 5, 0.2, "now")'
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_a_program_must_pass_in_each_of_its_worlds(world: World) -> None:
    worlds = tuple(f'add("Part", {{ Name = "Lamp", ["@Level"] = {level} }})' for level in (3, 4))
    checks = (
        TaskCheck("read", 'equal(prints()[1], tostring(get("Workspace/Lamp"):GetAttribute("Level")), "printed")'),
    )
    honest = world.submit(Job('print(workspace.Lamp:GetAttribute("Level"))', checks, "", worlds)).result()
    guess = world.submit(Job("print(3)", checks, "", worlds)).result()
    assert honest.outcome is Outcome.PASSED, honest.detail
    assert (guess.outcome, guess.detail) == (Outcome.WRONG, 'read: printed: expected "4", got "3"')


def test_conditions_find_what_depends_on_chance_on_order_or_on_a_placeholder() -> None:
    chance = Job("print(math.random(1, 1000))", (TaskCheck("same", 'equal(prints()[1], "1", "printed")'),))
    order = Job(
        'local e = Instance.new("BindableEvent") e.Event:Connect(function() print(1) end) e:Fire() print(2)',
        (TaskCheck("order", 'equal(prints(), { "2", "1" }, "printed")'),),
    )
    placeholder = Job('game:GetService("GenerationService"):GenerateModelAsync({}, {})', (TaskCheck("none", ""),))
    with open_verifier(domain_named("roblox"), verifier_settings(name="conditions", workers=1)) as conditions:
        verdicts = [conditions.submit(job).result() for job in (chance, order, placeholder, Job(PART))]
    assert [str(verdict.outcome) for verdict in verdicts] == ["WRONG", "WRONG", "NEEDS_STUDIO", "PASSED"]
    assert verdicts[1].detail.startswith("immediate signals, seed 1: order: ")
    assert "GenerationService.GenerateModelAsync" in verdicts[2].detail
    assert conditions.name == "conditions-luau/0.686"


def test_chance_is_the_same_in_every_run(world: World) -> None:
    code = "print(math.random(1, 1e9), Random.new(5):NextInteger(1, 1e9))"
    outputs = {judged(world, code, "fail(prints()[1])").detail for _ in range(3)}
    assert len(outputs) == 1


def test_a_program_that_is_too_long_is_not_run(world: World) -> None:
    verdict = world.submit(Job("x = 1 --" + "y" * (2 << 20))).result()
    assert verdict.outcome is Outcome.MEMORY


def test_a_machine_without_the_vm_is_refused_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "library_folder", lambda language: None)
    monkeypatch.setattr(machines.web, "find_installation", lambda: "Node is not installed")
    with pytest.raises(Refusal, match=r'no Luau VM.*pip install "luagate\[roblox\]"'):
        open_pool(verifier_settings(name="world"))


def test_a_check_that_needs_studio_is_refused_by_name(world: World) -> None:
    with pytest.raises(Refusal, match='"physics": it needs Roblox Studio'):
        world.submit(Job("", (TaskCheck("physics", "", needs="world"),)))


def test_errors_of_a_child_s_answer_are_missing_data_and_not_a_pass(world: World) -> None:
    from eval.sandbox.pool import Ending

    judge = world._judge(Job("", (TaskCheck("one", ""),)), verifier_module.CANDIDATE)
    for fields in (
        (),
        ("PASSED",),
        ("PASSED", "", 0),
        ("PASSED", "", 1, "failed", "x", 0, 0, 0),
        ("FINE", "", 1, "passed", "", 0, 0, 0),
    ):
        assert judge(Ending("answer", fields)).outcome is Outcome.HARNESS_ERROR
    assert judge(Ending("answer", ("PASSED", "", 1, "passed", "", 0, 0, 0))).outcome is Outcome.PASSED


REACHING = """
local m = {}
function m.look()
	local found = {}
	for level = 1, 20 do
		local f = debug.info(level, "f")
		if type(f) == "function" then table.insert(found, debug.info(f, "s")) end
		local ok, names = pcall(getfenv, level)
		if ok and names.equal then table.insert(found, "equal") end
		if pcall(setfenv, level + 2, {}) then table.insert(found, "setfenv") end
	end
	return found
end
function m.steal()
	local thread = coroutine.running()
	task.defer(function()
		coroutine.resume(thread)
		coroutine.close(thread)
	end)
	task.wait(1)
end
return m
"""


def test_a_function_that_a_check_calls_reaches_neither_the_check_nor_its_environment(world: World) -> None:
    verdict = judged(world, REACHING, 'equal(module().look(), { "ReplicatedStorage.Module" }, "reached")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize("rest", ["fail('still judged')", "error('still judged')", "local x = nil x.y = 1"])
def test_a_check_whose_thread_is_stolen_does_not_pass(world: World, rest: str) -> None:
    assert judged(world, REACHING, f"module().steal()\n{rest}").outcome is Outcome.WRONG
