"""Programs of several files, modules, sides, players and remotes."""

from __future__ import annotations

import pytest

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import assert_prints, judged

FILES = """-- file: ReplicatedStorage/Shared/Config.luau
print("config", game:GetService("RunService"):IsServer())
return { Speed = 5 }
-- file: ServerScriptService/Main.server.luau
local Config = require(game.ReplicatedStorage.Shared.Config)
print("server", Config.Speed, script:GetFullName(), require(game.ReplicatedStorage.Shared.Config) == Config)
-- file: StarterPlayer/StarterPlayerScripts/Hud.client.luau
local Config = require(game:GetService("ReplicatedStorage").Shared.Config)
print("client", Config.Speed, game.Players.LocalPlayer.Name, script.Parent.Name)
"""


def test_files_become_scripts_of_their_side_and_modules_load_once_a_side(world: World) -> None:
    printed = [
        "config true",
        "server 5 ServerScriptService.Main true",
        "config false",
        "client 5 Player1 PlayerScripts",
    ]
    assert_prints(world, FILES, printed)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("print(script:GetFullName())", "ServerScriptService.Script"),
        ("local p = game.Players.LocalPlayer print(script:GetFullName())", "Players.Player1.PlayerScripts.LocalScript"),
        ("script.Parent.Touched:Connect(print) print(script:GetFullName())", "Workspace.Part.Script"),
        (
            "script.Parent.Activated:Connect(print) script.Parent.TextColor3 = Color3.new() print(script:GetFullName())",
            "Players.Player1.PlayerGui.ScreenGui.TextButton.LocalScript",
        ),
        (
            "script.Parent.Equipped:Connect(print) print(script:GetFullName())",
            "Players.Player1.Backpack.Tool.LocalScript",
        ),
    ],
)
def test_a_lone_script_stands_where_its_text_belongs(world: World, code: str, name: str) -> None:
    assert_prints(world, code, [name])


def test_a_check_says_where_a_lone_script_stands(world: World) -> None:
    before = '--!before\nrunAs("StarterGui/Hud.client.luau")'
    code = "print(script:GetFullName())"
    verdict = judged(world, code, before, 'equal(prints(), { "Players.Player1.PlayerGui.Hud" }, "name")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize(
    ("module", "outcome", "says"),
    [
        ("return require(script)", "RUNTIME_ERROR", "Requested module was required recursively"),
        ("error('broken')\nreturn 1", "RUNTIME_ERROR", "ReplicatedStorage.M:1: broken"),
        ("return 1, 2", "PASSED", "Module code did not return exactly one value"),
        ("x = = 1\nreturn 1", "SYNTAX_ERROR", "ReplicatedStorage.M:1:"),
    ],
)
def test_a_module_that_cannot_be_had_says_why(world: World, module: str, outcome: str, says: str) -> None:
    code = (
        f"-- file: ReplicatedStorage/M.luau\n{module}\n-- file: ServerScriptService/S.server.luau\n"
        "warn(select(2, pcall(require, game.ReplicatedStorage.M)))"
    )
    verdict = judged(world, code, f'contains(warnings()[1], "{says}")')
    assert str(verdict.outcome) == outcome, verdict.detail
    assert outcome == "PASSED" or says in verdict.detail


def test_a_module_may_return_a_function_of_several_lines(world: World) -> None:
    code = (
        "-- file: ReplicatedStorage/Double.luau\nreturn function(x)\n\treturn 2 * x\nend\n\n"
        "-- file: ServerScriptService/S.server.luau\nprint(require(game.ReplicatedStorage.Double)(4))"
    )
    assert_prints(world, code, ["8"])


def test_a_script_whose_last_block_returns_at_the_margin_is_no_module(world: World) -> None:
    assert_prints(world, "print(script.ClassName)\nif true then\nreturn\nend\n", ["Script"])


def test_a_client_sees_nothing_of_the_server_s_containers(world: World) -> None:
    code = """-- file: ServerStorage/Secret.luau
return 1
-- file: StarterPlayer/StarterPlayerScripts/Hud.client.luau
print(game:GetService("ServerStorage"):FindFirstChild("Secret"), #game:GetService("ServerStorage"):GetChildren())
"""
    assert_prints(world, code, ["nil 0"])


PLAYERS = """
local Players = game:GetService("Players")
Players.PlayerAdded:Connect(function(player)
	print("added", player.Name, player.UserId, player.Character)
	player.CharacterAdded:Connect(function(character)
		print("character", character.Name, character:WaitForChild("Humanoid").Health, character.Parent)
		character.Humanoid.Died:Connect(function() print("died") end)
	end)
end)
Players.PlayerRemoving:Connect(function(player) print("removing", player.Name, player.Parent) end)
"""


def test_a_player_joins_spawns_dies_comes_back_and_leaves(world: World) -> None:
    verdict = judged(
        world,
        PLAYERS,
        'local ann = join("Ann", { UserId = 5 })\nequal(ann.Character ~= nil, true, "a character")\n'
        "local old = ann.Character\nhumanoid(ann).Health = 0\nstep(5.5)\n"
        'expect(ann.Character ~= old, "a new character")\nequal(humanoid(ann).Health, 100, "Health")\nleave(ann)\n'
        'equal(#game.Players:GetPlayers(), 0, "players")\n'
        'equal(prints(), { "added Ann 5 nil", "character Ann 100 Workspace", "died", "character Ann 100 Workspace", '
        '"removing Ann Players" }, "printed")',
    )
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_players_who_joined_before_the_program_are_there_and_fire_nothing(world: World) -> None:
    code = "print(#game.Players:GetPlayers()) game.Players.PlayerAdded:Connect(function() print('added') end)"
    verdict = judged(world, code, '--!before\njoin("Ann")', 'equal(prints(), { "1" }, "printed")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_a_humanoid_walks_at_its_speed_and_says_when_it_arrives(world: World) -> None:
    code = "game.Players.PlayerAdded:Connect(function() end)"
    check = (
        'local ann = join("Ann")\nlocal human, root = humanoid(ann), character(ann).HumanoidRootPart\nlocal reached\n'
        "human.MoveToFinished:Once(function(ok) reached = ok end)\nlocal from = root.Position\n"
        "human:MoveTo(from + Vector3.new(32, 0, 0))\nstep(1)\n"
        'near((root.Position - from).Magnitude, 16, 0.5, "after a second")\nstep(1.2)\n'
        'near((root.Position - from).Magnitude, 32, 0.6, "in the end")\nequal(reached, true, "reached")'
    )
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


REMOTES = """-- file: ServerScriptService/Main.server.luau
local event, ask = Instance.new("RemoteEvent"), Instance.new("RemoteFunction")
event.Name, ask.Name = "Event", "Ask"
ask.OnServerInvoke = function(player, x) task.wait(0.5) return player.Name, x * 2 end
event.OnServerEvent:Connect(function(player, data, f) print("server got", player, data.Name, data.Part, f) event:FireClient(player, "hello") end)
event.Parent, ask.Parent = game.ReplicatedStorage, game.ReplicatedStorage
-- file: StarterPlayer/StarterPlayerScripts/Hud.client.luau
local event = game.ReplicatedStorage:WaitForChild("Event")
event.OnClientEvent:Connect(function(text) print("client got", text) end)
event:FireServer({ Name = "x", Part = workspace }, print)
print("answer", game.ReplicatedStorage:WaitForChild("Ask"):InvokeServer(21))
"""


def test_remotes_go_between_the_sides_and_copy_what_they_send(world: World) -> None:
    verdict = judged(
        world,
        REMOTES,
        'step(1)\nequal(prints(), { "server got Player1 x Workspace nil", "client got hello", "answer Player1 42" }, "printed")\n'
        'equal(sent(get("ReplicatedStorage/Event"))[2][1], "hello", "sent")',
    )
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_events_wait_for_the_first_listener(world: World) -> None:
    code = """
local remote = Instance.new("RemoteEvent")
remote.Parent = game.ReplicatedStorage
task.delay(1, function() remote.OnServerEvent:Connect(function(player, x) print(player.Name, x) end) end)
"""
    check = 'fireServer(join("Ann"), get("ReplicatedStorage/RemoteEvent"), 5)\nstep(2)\nequal(prints(), { "Ann 5" }, "printed")'
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_a_call_s_error_is_the_caller_s(world: World) -> None:
    code = """
local ask = Instance.new("RemoteFunction")
ask.OnServerInvoke = function() error("no") end
ask.Parent = game.ReplicatedStorage
"""
    verdict = judged(world, code, 'invokeServer(join("Ann"), get("ReplicatedStorage/RemoteFunction"))')
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert verdict.detail.endswith("the call raised: ServerScriptService.Script:3: no")


def test_a_destroyed_or_disabled_script_runs_no_further(world: World) -> None:
    code = """-- file: ServerScriptService/A.server.luau
workspace.ChildAdded:Connect(function() print("A heard") end)
task.delay(1, function() print("A waited") end)
task.delay(0.5, function() script:Destroy() end)
-- file: ServerScriptService/B.server.luau
print("B starts")
task.delay(1, function() print("B waited") end)
-- file: ServerScriptService/C.server.luau
local b = script.Parent.B
task.wait(0.5)
b.Enabled = false
task.wait(1)
Instance.new("Part").Parent = workspace
b.Enabled = true
"""
    check = 'step(3)\nequal(prints(), { "B starts", "B starts", "B waited" }, "printed")'
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_bindables_keep_functions_and_drop_metatables(world: World) -> None:
    code = """
local bindable = Instance.new("BindableEvent")
bindable.Event:Connect(function(t) print(type(t.f), getmetatable(t)) end)
bindable:Fire(setmetatable({ f = print }, { __index = {} }))
"""
    assert_prints(world, code, ["function nil"])


def test_a_seat_knows_who_sits_and_jumping_ends_it(world: World) -> None:
    code = """
local seat = Instance.new("Seat")
seat.Parent = workspace
seat:GetPropertyChangedSignal("Occupant"):Connect(function() print(seat.Occupant and seat.Occupant.Parent) end)
"""
    check = (
        'local ann, seat = join("Ann"), get("Workspace/Seat")\nsit(ann, seat)\nequal(humanoid(ann).SeatPart, seat, "SeatPart")\n'
        "humanoid(ann).Jump = true\nstep(1)\n"
        'equal(seat.Occupant, nil, "Occupant")\nequal(prints(), { "Ann", "nil" }, "printed")'
    )
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail
