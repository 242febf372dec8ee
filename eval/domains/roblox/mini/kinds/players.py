"""Coding problems about players: what happens when they join or send something, their scores and characters."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, find, handler, made, module, pascal, service
from eval.domains.roblox.mini.phrases import events_phrases as phrases
from eval.records import NearMiss, TaskCheck

PROPERTIES = ("WalkSpeed", "JumpPower", "HipHeight", "MaxSlopeAngle", "JumpHeight", "MaxHealth")
STEEPEST_DEG = 89
PLAYERS = service("Players")
STORAGE = service("ReplicatedStorage")
_JOINED = 'local player = join("Visitor")\nstep(0.1)\n'


def join(draw: Draw) -> Problem:
    """An attribute of each player; careless code invents the event or calls it."""
    name, number = pascal(draw), draw.number(2, 999)
    mark = f'player:SetAttribute("{name}", {number})'
    return Problem(
        slots={"attribute": name, "number": str(number)},
        answer=handler(f"{PLAYERS}.PlayerAdded", "player", mark),
        outdated=(
            NearMiss(handler(f"{PLAYERS}.PlayerJoined", "player", mark), "there is no event PlayerJoined"),
            NearMiss(f"{PLAYERS}.PlayerAdded(function(player)\n\t{mark}\nend)\n", "an event is called"),
        ),
        slips=(NearMiss(handler(f"{PLAYERS}.PlayerRemoving", "player", mark), "another event"),),
        checks=(TaskCheck("joined", _JOINED + attribute_equals("player", name, number)),),
    )


def leaderstats(draw: Draw) -> Problem:
    """A value that the leaderboard shows; careless code misspells the folder or puts the value beside it."""
    function, name, number = draw.word(), pascal(draw), draw.number(2, 999)

    def adding(parent: str, value: int = number) -> str:
        score = made("score", "IntValue", f'Name = "{name}"', f"Value = {value}", parent=parent)
        return module(f"function module.{function}(player)", *(f"\t{line}" for line in score.splitlines()), "end")

    return Problem(
        slots={"function": function, "name": name, "number": str(number)},
        answer=adding("player.leaderstats"),
        outdated=(
            NearMiss(adding("player.Leaderstats"), "its name is in small letters"),
            NearMiss(adding("player"), "the value is beside the folder"),
        ),
        slips=(NearMiss(adding("player.leaderstats", number + 1), "another number"),),
        checks=(
            TaskCheck(
                "leaderstats",
                f'{_JOINED}local stats = Instance.new("Folder")\nstats.Name = "leaderstats"\nstats.Parent = player\n'
                f"call(module().{function}, player)\n{find('score', name, 'stats')}"
                f'equal(score.ClassName, "IntValue", "ClassName")\nequal(score.Value, {number}, "Value")',
            ),
        ),
    )


def humanoid(draw: Draw) -> Problem:
    """A property of a character's humanoid; careless code sets it on the character or invents a method."""
    function, name = draw.word(), draw.stream.choice(PROPERTIES)
    number = draw.number(2, STEEPEST_DEG if name == "MaxSlopeAngle" else 999)

    def setting(line: str) -> str:
        return module(f"function module.{function}(character)", f"\t{line}", "end")

    own = 'character:WaitForChild("Humanoid")'
    return Problem(
        slots={"function": function, "property": name, "number": str(number)},
        answer=setting(f"{own}.{name} = {number}"),
        outdated=(
            NearMiss(setting(f"character.{name} = {number}"), "a character is no humanoid"),
            NearMiss(setting(f"{own}:Set{name}({number})"), "there is no such method"),
        ),
        slips=(NearMiss(setting(f"{own}.{name} = {number + 1}"), "another number"),),
        checks=(
            TaskCheck(
                "character",
                f"{_JOINED}local character = spawn(player)\ncall(module().{function}, character)\n"
                f'equal(character.Humanoid.{name}, {number}, "{name}")',
            ),
        ),
    )


def remote(draw: Draw) -> Problem:
    """A handler of a remote event; careless code forgets the player or invents the event."""
    name, attribute = pascal(draw), pascal(draw)
    event = made("remote", "RemoteEvent", parent=STORAGE) + f'remote.Name = "{name}"\n'
    mark = f'player:SetAttribute("{attribute}", value)'
    sent = f"{find('remote', name, STORAGE)}{_JOINED}fireServer(player, remote, 7)\nstep(0.1)\n"
    return Problem(
        slots={"name": name, "attribute": attribute},
        answer=event + handler("remote.OnServerEvent", "player, value", mark),
        outdated=(
            NearMiss(event + handler("remote.OnServerEvent", "value", mark), "the player comes first"),
            NearMiss(event + handler("remote.OnEvent", "player, value", mark), "there is no such event"),
        ),
        slips=(NearMiss(event, "nobody listens"),),
        checks=(TaskCheck("sent", sent + attribute_equals("player", attribute, 7)),),
    )


def callback(draw: Draw) -> Problem:
    """A callback of a remote function; careless code connects it like an event or forgets the player."""
    name, number = pascal(draw), draw.number(2, 999)
    function = made("remote", "RemoteFunction", f'Name = "{name}"', parent=STORAGE)

    def assigned(parameters: str, symbol: str = "*") -> str:
        return f"remote.OnServerInvoke = function({parameters})\n\treturn x {symbol} {number}\nend\n"

    return Problem(
        slots={"name": name, "number": str(number)},
        answer=function + assigned("player, x"),
        outdated=(
            NearMiss(
                function + handler("remote.OnServerInvoke", "player, x", f"return x * {number}"), "it is no event"
            ),
            NearMiss(function + assigned("x"), "the player comes first"),
        ),
        slips=(NearMiss(function + assigned("player, x", "+"), "adds"),),
        checks=(
            TaskCheck(
                "answer",
                f"{find('remote', name, STORAGE)}{_JOINED}"
                f'equal(invokeServer(player, remote, 3), {3 * number}, "answer to 3")',
            ),
        ),
    )


KINDS = (
    Kind("coding", "join", 2, phrases.JOIN, join),
    Kind("coding", "leaderstats", 2, phrases.LEADERSTATS, leaderstats),
    Kind("coding", "humanoid", 2, phrases.HUMANOID, humanoid),
    Kind("coding", "remote", 3, phrases.REMOTE, remote),
    Kind("coding", "callback", 3, phrases.CALLBACK, callback),
)
