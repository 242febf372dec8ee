"""What reading a Luau program finds, and what it leaves alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains.roblox.findings import find
from eval.domains.roblox.findings.__main__ import main
from eval.domains.roblox.findings.analyzer import PROGRAM
from eval.domains.roblox.findings.measuring import measure
from eval.domains.roblox.findings.program.tree import parser

PUBLIC = Path(__file__).resolve().parents[4] / "shared/data/public/vertigo-lora/data/raw"
PLAYERS = 'local Players = game:GetService("Players")\n'

# program -> (rule, text) of its only finding
FOUND = {
    'game:GetService("PlayerService")': ("unknown-service", 'there is no service "PlayerService"'),
    'game:GetService("Part")': ("unknown-service", '"Part" is a class, but no service'),
    'Instance.new("Prat")': ("unknown-class", 'there is no class "Prat", nearest is "Path"'),
    'Instance.new("BasePart")': ("not-creatable", '"BasePart" cannot be created with Instance.new'),
    'local p = Instance.new("Part") p.Colour = Color3.new()': (
        "unknown-member",
        'Part has no member "Colour", nearest',
    ),
    PLAYERS + "Players:GetAllPlayers()": (
        "unknown-member",
        'Players has no member "GetAllPlayers", nearest is "GetPlayers"',
    ),
    PLAYERS + "Players.PlayerJoined:Connect(print)": ("unknown-member", 'Players has no member "PlayerJoined"'),
    "print(Enum.Material.Stone)": ("unknown-enum-item", 'Enum.Material has no item "Stone"'),
    "print(Enum.Materials.Wood)": ("unknown-enum-item", 'Enum has no enum "Materials", nearest is "Material"'),
    "print(Vector3.fromAngles(1, 2))": ("unknown-member", 'Vector3 has no member "fromAngles"'),
    "print(math.average(1, 2))": ("unknown-member", 'math has no member "average"'),
    "local function f(part: BasePart) part:Explode() end f(nil)": (
        "unknown-member",
        'BasePart has no member "Explode"',
    ),
    PLAYERS + "for _, p in Players:GetPlayers() do p:Kill() end": ("unknown-member", 'Player has no member "Kill"'),
    PLAYERS + "Players.PlayerAdded:Connect(function(p) p:Kill() end)": (
        "unknown-member",
        'Player has no member "Kill"',
    ),
    "local x = (workspace.Door :: Model) x:Open()": ("unknown-member", 'Model has no member "Open"'),
    'local p = Instance.new("Part") p.Position = "1, 2, 3"': (
        "wrong-type",
        "Position is a Vector3, and is given a string",
    ),
    'local s = Instance.new("BodyVelocity") print(s)': ("deprecated", "BodyVelocity is deprecated"),
    'local h = workspace:FindFirstChild("H") h.Name = "x"': (
        "unchecked-nil",
        "the result of FindFirstChild may be nil",
    ),
    'workspace:FindFirstChild("H"):Destroy()': ("unchecked-nil", "the result of FindFirstChild may be nil"),
    "local function f(player) return player.Character.Humanoid end f(1)": ("unchecked-nil", "Character may be nil"),
    "local r = workspace:Raycast(a, b) print(r.Position)": ("unchecked-nil", "the result of Raycast may be nil"),
    'local s = game:GetService("DataStoreService"):GetDataStore("a") s:SetAsync("k", 1)': (
        "unprotected-call",
        "SetAsync can fail",
    ),
    "while true do local x = 1 end": ("endless-loop", "the loop never ends"),
    "while true do math.random() while true do break end end": ("endless-loop", "the loop never ends"),
    "for i = 1, 3 do game:GetService('RunService').Heartbeat:Connect(print) end": ("connection-leak", "Heartbeat is"),
    PLAYERS + "task.wait(1) Players.PlayerAdded:Connect(print)": ("missed-players", "PlayerAdded is connected after"),
    PLAYERS + "local t = {} Players.PlayerAdded:Connect(function(player) t[player] = 1 end)": (
        "player-leak",
        "t keeps",
    ),
    "remote.OnServerEvent:Connect(function(player, amount) pay(player, amount) end)": (
        "unchecked-remote",
        "the client's",
    ),
    "remote.OnServerInvoke = function(player, item) return shop[item] end": ("unchecked-remote", "the client's"),
    "wait(1)": ("old-wait", "wait is throttled"),
    "count = 1": ("global-variable", "count is a global variable"),
    'local p = Instance.new("Part", workspace)': ("parent-argument", "Instance.new with a parent"),
    "print(game.Players)": ("service-by-name", "game.Players goes by a name"),
    '-- LocalScript\nlocal s = game:GetService("ServerStorage")': ("other-side", "ServerStorage is the server's"),
}
CLEAN = (
    "",
    "return {}",
    PLAYERS + "local p = Players.LocalPlayer print(p.leaderstats.Coins.Value)",
    'local folder = game:GetService("ReplicatedStorage").Remotes folder.Fire:FireServer(1)',
    'local h = workspace:FindFirstChild("H") if h then h.Name = "x" end',
    'local h = workspace:FindFirstChild("H") if not h then return end h.Name = "x"',
    'local h = assert(workspace:FindFirstChild("H")) h.Name = "x"',
    "local function f(p) local c = p.Character return c and c.Name end f(1)",
    "local function f(p) if p.Character then print(p.Character.Name) end end f(1)",
    'local ok = pcall(function() return s:GetAsync("k") end) print(ok)',
    'local function load() return s:GetAsync("k") end print(pcall(load))',
    'local function retry(f) for _ = 1, 3 do pcall(f) end end retry(function() s:SetAsync("k", 1) end)',
    "while true do task.wait() end",
    "while true do if step() then break end end",
    "local signal = makeSignal() signal.Fired:Connect(print)",
    "local Enum = { Material = { Stone = 1 } } print(Enum.Material.Stone)",
    "type Part = { speed: number } local function f(p: Part) p.speed = 1 end f(x)",
    "local wait = task.wait wait(1)",
    "remote.OnServerEvent:Connect(function(p, n) if typeof(n) ~= 'number' then return end pay(p, n) end)",
    "remote.OnServerEvent:Connect(function(p, n) if not isValid(n) then return end pay(p, n) end)",
    'local p = Instance.new("Part") p.Material = "Wood" p.Transparency = "0.5"',
    PLAYERS + "local t = {} local function add(player) t[player] = 1 end Players.PlayerAdded:Connect(add)\n"
    "Players.PlayerRemoving:Connect(function(player) t[player] = nil end)",
    '-- "Server Script" and LocalScript\nlocal s = game:GetService("ServerStorage")',
)


@pytest.mark.parametrize("code", FOUND)
def test_a_doubtful_program_has_this_finding_and_no_other(code: str) -> None:
    rule, text = FOUND[code]
    found = find(code)
    assert [finding.rule for finding in found] == [rule]
    assert found[0].text.startswith(text)


@pytest.mark.parametrize("code", CLEAN)
def test_a_sound_program_has_no_finding(code: str) -> None:
    assert find(code) == ()


def test_a_finding_names_its_kind_and_its_line() -> None:
    assert [str(finding) for finding in find("local a = 1\n\nwait(a)")] == [
        "wait: wait is throttled and imprecise: use task.wait (line 3)"
    ]


def test_the_side_that_is_known_counts_without_a_comment() -> None:
    code = 'game:GetService("ServerStorage")'
    assert not find(code)
    assert not find(code, "server")
    assert [finding.rule for finding in find(code, "client")] == ["other-side"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = " + "(" * 5_000 + "1" + ")" * 5_000, "nested deeper than"),
        ("x = " + "{" * 5_000 + "}" * 5_000, "nested deeper than"),
        ("-- " + "a" * 10_000_000, "longer than"),
        ("function " * 14_000, "not parsed within"),
        ("f<<" * 20_000, "not parsed within"),
    ],
)
def test_a_parser_bomb_is_not_read_and_that_is_said(code: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.domains.roblox.findings.program.tree._LONGEST_S", 0.2)
    (finding,) = find(code)
    assert finding.kind == "unread"
    assert why in finding.text


@pytest.mark.parametrize(
    ("opening", "middle", "closing"),
    [
        ("(", "1", ")"),
        ("{", "1", "}"),
        ("f(function() return ", "1", " end)"),
        ("1 + (", "1", ")"),
        ("t[", "1", "]"),
        ("if a then ", "1", " else 2"),
        ("not ", "1", ""),
        ("", "a", ".b"),
        ("", "a", ":b()"),
        ("", "1", " .. 1"),
        ("`{", "1", "}`"),
    ],
)
def test_a_program_as_deep_as_is_read_needs_no_more_of_pythons_stack_than_there_is(
    opening: str, middle: str, closing: str
) -> None:
    read = [find(f"return {opening * depth}{middle}{closing * depth}") for depth in range(10, 400, 15)]
    unread = [any(finding.kind == "unread" for finding in found) for found in read]
    assert unread == sorted(unread)
    assert (unread[0], unread[-1]) == (False, True)


@pytest.mark.parametrize(
    "code", ["\x00\x01", "\ud800", "local", "end end end", "if x then", "f(" * 100, "a.", "a:", "Enum."]
)
def test_text_that_is_no_program_is_read_without_an_error(code: str) -> None:
    assert all(finding.line >= 1 for finding in find(code))


def test_without_the_parser_nothing_is_read_and_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    parser.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter_luau", None)
    try:
        with pytest.raises(Refusal, match="tree_sitter_luau") as refused:
            find("return 1")
    finally:
        parser.cache_clear()
    assert "luagate[roblox]" in refused.value.fix


def test_files_are_read_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.luau"
    file.write_text("spawn(print)\n", encoding="utf-8")
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.endswith("use task.spawn (line 1)\n")
    assert main([str(tmp_path / "none.luau")]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("{", "cannot be read"),
        ("[]", "have no list of messages, such as line 1"),
        ('{"messages": [{"content": "x"}]}', "a.jsonl:1 is no row of messages (KeyError('role'))"),
        (
            '{"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]}]}',
            "a.jsonl:1 is no row",
        ),
    ],
)
def test_rows_that_cannot_be_measured_are_refused_by_line(
    row: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text(f"{row}\n", encoding="utf-8")
    assert main(["measure", str(tmp_path)]) == 2
    assert named in capsys.readouterr().err


@pytest.mark.heavy
@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public rows are not on this machine")
def test_on_public_rows_the_findings_are_as_good_as_the_documentation_says() -> None:
    measured = measure(PUBLIC)
    assert measured.programs >= 1_716
    assert len(measured.named) <= 0.0035 * measured.programs
    assert measured.invented.total() == 700
    assert measured.found.total() >= 0.78 * 700
    assert measured.removed_bugs >= 18
    assert not measured.added


CHECKER = """#!/bin/sh
echo "$1(3,7): TypeError: Type 'string' could not be converted into 'number'" >&2
echo "$1(1,1): TypeError: Unknown global 'game'" >&2
echo "$1(2,1): TypeError: Unknown type 'Player'" >&2
echo "$1(4,1): LocalUnused: Variable 'x' is never used; prefix with '_' to silence" >&2
echo "$1(5,1): TypeError: Unknown global 'helper'" >&2
exit 1
"""


def test_the_checker_is_heard_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.luau"
    file.write_text("print(1)\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == ""
    checker = tmp_path / PROGRAM
    checker.write_text(CHECKER.replace("echo", "/bin/echo"))
    checker.chmod(0o755)
    assert main([str(file)]) == 0
    lines = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "type: TypeError: Type 'string' could not be converted into 'number' (line 3)",
        "type: LocalUnused: Variable 'x' is never used; prefix with '_' to silence (line 4)",
        "type: TypeError: Unknown global 'helper' (line 5)",
    ]
    checker.write_text("#!/bin/sh\nexit 3\n")
    assert main([str(file)]) == 2
    assert "ends with 3" in capsys.readouterr().err
