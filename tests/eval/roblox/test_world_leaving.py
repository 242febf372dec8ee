"""What a program sees when a player leaves Roblox' world, in both signal modes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.domains.roblox.verify.conditions import Conditions, open_pool
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck
from tests.support.settings import verifier_settings

CHECK = 'leave(join("Ann")) step(0.1) equal(workspace:GetAttribute("Seen"), true, "Seen")'
REMOVING = """
local Players = game:GetService("Players")
Players.PlayerAdded:Connect(function(player)
	Instance.new("IntValue", player).Name = "Coins"
end)
Players.PlayerRemoving:Connect(function(player)
	local function see(yes) workspace:SetAttribute("Seen", yes) end
%s
end)
"""
CHARACTER_REMOVING = """
game.Players.PlayerAdded:Connect(function(player)
	player.CharacterRemoving:Connect(function() workspace:SetAttribute("Seen", true) end)
end)
"""


@pytest.fixture(scope="module")
def conditions() -> Iterator[Conditions]:
    """Return a running verifier of both signal modes."""
    with open_pool(verifier_settings(name="conditions", workers=1)) as verifier:
        yield verifier


def require_pass(verifier: Conditions, program: str) -> None:
    """Fail unless ``program`` passes the check."""
    verdict = verifier.submit(Job(program, (TaskCheck("leaving", CHECK),))).result()
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param("see(player.Coins ~= nil and #Players:GetPlayers() == 1)", id="at first all is there"),
        pytest.param("task.defer(function() see(#Players:GetPlayers() == 0) end)", id="then the list is shorter"),
        pytest.param("task.defer(function() see(player.Character == nil) end)", id="then the character is gone"),
        pytest.param("task.wait() see(player.Parent == nil)", id="a frame later the player is destroyed"),
    ],
)
def test_handlers_of_player_removing(conditions: Conditions, handler: str) -> None:
    """Handlers see the player; what they defer does not find it among the players any more."""
    require_pass(conditions, REMOVING % handler)


def test_character_removing_is_told(conditions: Conditions) -> None:
    """CharacterRemoving reaches its handlers although the player is destroyed right after."""
    require_pass(conditions, CHARACTER_REMOVING)
