"""Virtual time: threads, what waits, frames and their order, and signals in both modes."""

from __future__ import annotations

import pytest

from eval.domains.roblox.verify.runs import Condition
from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import assert_errors, assert_prints, judged
from tests.support.settings import verifier_settings


def test_waiting_takes_virtual_time_in_whole_frames(world: World) -> None:
    code = (
        "print(string.format('%.3f', task.wait(0.5)))\nprint(string.format('%.3f', task.wait()))\n"
        "print(string.format('%.3f', (wait())))\nprint(string.format('%.3f', time()))\n"
    )
    verdict = judged(world, code, "step(2)", 'equal(prints(), {"0.500", "0.017", "0.033", "0.550"}, "waited")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail
    assert "deprecated: wait" in verdict.findings


def test_an_hour_of_virtual_time_costs_no_real_one(world: World) -> None:
    code = "local n = 0 while n < 360 do task.wait(10) n += 1 end print(math.floor(time()))"
    verdict = judged(world, code, "step(3605)", 'equal(prints(), { "3600" }, "printed")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail
    assert verdict.seconds < 1


def test_threads_start_in_the_order_of_their_kind(world: World) -> None:
    code = (
        "task.defer(print, 'deferred')\ntask.spawn(print, 'spawned')\ntask.delay(0, print, 'delayed')\nprint('main')\n"
        "task.wait(0.1)"
    )
    assert_prints(world, code, ["spawned", "main", "deferred", "delayed"])


def test_a_cancelled_thread_does_not_run(world: World) -> None:
    code = "local t = task.delay(0.1, print, 'never') task.cancel(t) task.wait(0.2) print(coroutine.status(t))"
    verdict = judged(world, code, "step(1)", 'equal(prints(), { "dead" }, "printed")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_a_frame_fires_in_the_engine_s_order(world: World) -> None:
    code = """
local frames = game:GetService("RunService")
local names = { "Heartbeat", "Stepped", "PostSimulation", "PreSimulation", "PreAnimation" }
for _, name in names do
	frames[name]:Once(function(first, second) print(name, string.format("%.3f", second or first)) end)
end
task.delay(0, print, "waited")
"""
    order = ["PreAnimation 0.017", "Stepped 0.017", "PreSimulation 0.017", "Heartbeat 0.017", "PostSimulation 0.017"]
    assert_prints(world, code, [*order, "waited"])


def test_render_steps_run_on_clients_by_priority(world: World) -> None:
    code = """
local frames, player = game:GetService("RunService"), game:GetService("Players").LocalPlayer
frames:BindToRenderStep("late", 200, function() print("late") frames:UnbindFromRenderStep("late") end)
frames:BindToRenderStep("early", 100, function() print("early") frames:UnbindFromRenderStep("early") end)
print(frames:IsClient(), frames:IsServer(), player.Name)
"""
    assert_prints(world, code, ["true false Player1", "early", "late"])


def test_render_steps_are_refused_on_the_server(world: World) -> None:
    errors = {
        'return game:GetService("RunService")["Render" .. "Stepped"]': (
            "RenderStepped event can only be used from local scripts"
        )
    }
    assert_errors(world, errors)


SIGNALS = """
local event = Instance.new("BindableEvent")
event.Event:Connect(function(x) print("handler", x) end)
event.Event:Once(function(x) print("once", x) end)
task.spawn(function() print("waited", event.Event:Wait()) end)
event:Fire(1)
event:Fire(2)
print("main")
"""
HANDLERS = ["handler 1", "once 1", "waited 1", "handler 2"]


@pytest.mark.parametrize(
    ("signals", "printed"), [("deferred", ["main", *HANDLERS]), ("immediate", [*HANDLERS, "main"])]
)
def test_handlers_run_at_once_or_at_the_end_as_the_place_says(signals: str, printed: list[str]) -> None:
    class Under(World):
        conditions = (Condition(signals),)

    with Under(verifier_settings(name="world", workers=1)) as verifier:
        assert_prints(verifier, SIGNALS, printed)


def test_a_disconnected_handler_does_not_run_even_when_it_was_deferred(world: World) -> None:
    code = (
        "local e = Instance.new('BindableEvent') local c = e.Event:Connect(function() print('ran') end) e:Fire() "
        "c:Disconnect() print(c.Connected)"
    )
    assert_prints(world, code, ["false"])


def test_events_that_cause_each_other_end_at_the_engine_s_depth(world: World) -> None:
    code = "local e = Instance.new('BindableEvent') n = 0 e.Event:Connect(function() n += 1 e:Fire() end) e:Fire()"
    verdict = judged(world, code, 'contains(errors()[1], "Maximum event re-entrancy depth exceeded")')
    assert verdict.outcome is Outcome.RUNTIME_ERROR, "an uncaught error while loading fails the program"
    assert "Maximum event re-entrancy depth exceeded for Event" in verdict.detail


@pytest.mark.parametrize(
    "code",
    [
        "task.spawn(function() error('boom') end)",
        "task.defer(function() error('boom') end)",
        "task.delay(1, function() error('boom') end)",
        "workspace.ChildAdded:Connect(function() error('boom') end) Instance.new('Part').Parent = workspace",
        "game:GetService('RunService').Heartbeat:Once(function() error('boom') end)",
    ],
)
def test_an_uncaught_error_in_any_thread_fails_the_program(world: World, code: str) -> None:
    verdict = judged(world, code)
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert verdict.detail.endswith(":1: boom")


def test_a_script_that_waits_for_ever_is_no_fault(world: World) -> None:
    assert judged(world, "while true do task.wait(1) end").outcome is Outcome.PASSED
    assert judged(world, "workspace:WaitForChild('Never')").outcome is Outcome.PASSED


def test_a_loop_that_waits_for_the_clock_ends(world: World) -> None:
    assert judged(world, "local t = os.clock() while os.clock() - t < 0.01 do end").outcome is Outcome.PASSED


def test_what_came_before_the_task_library_tells_the_seconds_that_passed(world: World) -> None:
    code = (
        "delay(0.5, function(passed, now) print(string.format('%.2f %.2f', passed, now)) end)\n"
        "spawn(function(passed) print(string.format('%.2f', passed)) end)"
    )
    verdict = judged(world, code, 'step(1)\nequal(prints(), { "0.03", "0.50 0.50" }, "printed")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail
