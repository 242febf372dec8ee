"""What passes between the sides and what does not."""

from __future__ import annotations

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import judged

APART = """-- file: ServerScriptService/S.server.luau
_G.secret = 7
shared.secret = 8
local event = Instance.new("BindableEvent", game.ReplicatedStorage)
event.Event:Connect(function() print("server heard") end)
local ask = Instance.new("BindableFunction", game.ReplicatedStorage)
ask.OnInvoke = function() return "server" end
local remote = Instance.new("RemoteEvent", game.ReplicatedStorage)
remote:FireAllClients(1)
game.Players.PlayerAdded:Connect(function(player)
    remote:FireClient(player, setmetatable({ 1, 2 }, { __len = function() return 0 end }))
end)
-- file: StarterPlayer/StarterPlayerScripts/C.client.luau
print(_G.secret, shared.secret, require(game.ReplicatedStorage.M))
game.ReplicatedStorage.RemoteEvent.OnClientEvent:Connect(function(list) list[1] = 5 end)
game.ReplicatedStorage.BindableEvent.Event:Connect(function() print("client heard") end)
game.ReplicatedStorage.BindableEvent:Fire()
print(game.ReplicatedStorage.BindableFunction:Invoke())
-- file: ReplicatedStorage/M.luau
_G.own = (_G.own or 0) + 1
return _G.own
"""


def test_only_remotes_pass_between_the_sides(world: World) -> None:
    verdict = judged(
        world,
        APART,
        'join("Ann") step(1)\n'
        'equal(prints(), { "nil nil 1", "client heard", "nil nil 1", "client heard" }, "printed")\n'
        'equal(get("ReplicatedStorage/BindableFunction"):Invoke(), "server", "asked on the server")',
        "equal(_G.secret, 7)",
    )
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_what_was_sent_stays_what_it_was_when_a_client_changes_its_copy(world: World) -> None:
    check = 'local ann = join("Ann")\nequal(sent(get("ReplicatedStorage/RemoteEvent"), ann)[1][1], { 1, 2 }, "sent")'
    verdict = judged(world, APART, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail
