"""Whatever a program reads, sets or calls of the engine's API, the error is the engine's: the model itself never fails."""

from __future__ import annotations

import pytest

from eval.domains import domain_named, open_verifier
from eval.domains.roblox.api import facts
from eval.domains.roblox.api.facts import Facts
from eval.pipeline.verifier import Job
from eval.records import TaskCheck, Verdict
from tests.support.settings import verifier_settings

# Every class takes a minute; one in six, with the classes that programs use most, a few seconds.
EVERY = 6
ALWAYS = (
    "Part",
    "Model",
    "Humanoid",
    "Player",
    "Tool",
    "RemoteFunction",
    "TextButton",
    "Sound",
    "Workspace",
    "Players",
    "RunService",
)
LEFT_OUT = {"Wait", "Kick", "Destroy", "Remove", "destroy", "remove", "Parent", "ClearAllChildren", "WaitForChild"}
PROGRAM = """
local VALUES = { nil, 5, -1, 0 / 0, 1 / 0, "x", "", true, {}, function() end, workspace, Instance.new("Part"),
	Vector3.new(1, 2, 3), CFrame.new(), Color3.new(1, 0, 0), Enum.Material.Wood, UDim2.new(), newproxy(true),
	coroutine.create(print), game.Players }
local ok, made = pcall(Instance.new, "CLASS")
if not ok then ok, made = pcall(game.GetService, game, "CLASS") end
if not ok then return end
local function try(name, f, ...)
	local worked, problem = pcall(f, ...)
	if not worked and type(problem) == "string" and string.find(problem, "engine:") then print("FAULT " .. name .. " " .. problem) end
end
for _, name in PROPERTIES do
	try(name, function() return made[name] end)
	for at = 1, 20 do try(name, function() made[name] = VALUES[at] end) end
end
for _, name in METHODS do
	for at = 1, 20 do
		task.spawn(try, name, function() return made[name](made, VALUES[at], VALUES[at * 7 % 20 + 1], VALUES[at * 3 % 20 + 1]) end)
	end
end
"""
CHECK = TaskCheck(
    "faults",
    "step(3)\nlocal faults = {}\nfor _, text in prints() do\n\tif string.sub(text, 1, 5) == 'FAULT' then table.insert(faults, text) end\n"
    "end\nfor _, text in errors() do\n\tif string.find(text, 'engine:') then table.insert(faults, text) end\nend\n"
    "equal(faults, {}, 'faults')",
)


def program(known: Facts, name: str) -> str:
    """Return a program that tries every member of a class, inherited ones included."""
    members, above = {}, known.classes.get(name)
    while above is not None:
        members |= {member.name: member.kind for member in above.members.values() if member.name not in LEFT_OUT}
        above = known.classes.get(above.parent) if above.parent else None
    lists = {
        kind: "{" + ",".join(f'"{member}"' for member, of in sorted(members.items()) if of == kind) + "}"
        for kind in ("property", "method")
    }
    return PROGRAM.replace("CLASS", name).replace("PROPERTIES", lists["property"]).replace("METHODS", lists["method"])


@pytest.mark.heavy
@pytest.mark.parametrize("side", ["server", "client"])
def test_no_member_makes_the_model_fail(side: str) -> None:
    known = facts.load()
    names = sorted({*sorted(known.classes)[::EVERY], *ALWAYS})
    head = "" if side == "server" else "-- file: StarterPlayer/StarterPlayerScripts/Try.client.luau\n"
    with open_verifier(domain_named("roblox"), verifier_settings(name="world", workers=2)) as verifier:
        futures = [(name, verifier.submit(Job(head + program(known, name), (CHECK,)))) for name in names]
        verdicts = [(name, future.result(timeout=120)) for name, future in futures]
    assert [
        said(name, verdict) for name, verdict in verdicts if str(verdict.outcome) not in ("PASSED", "NEEDS_STUDIO")
    ] == []


def said(name: str, verdict: Verdict) -> str:
    return f"{name}: {verdict.outcome} {verdict.detail}"
