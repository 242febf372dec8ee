"""Coding problems about players: what happens when they join, spawn or send something."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, find, handler, made, pascal, service
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
    """The folder the leaderboard shows; careless code misspells its name or forgets to use it."""
    name, number = pascal(draw), draw.number(2, 999)

    def on_join(folder: str, parent: str) -> str:
        return handler(
            f"{PLAYERS}.PlayerAdded",
            "player",
            *made("stats", "Folder", f'Name = "{folder}"', parent="player").splitlines(),
            *made("score", "IntValue", f'Name = "{name}"', f"Value = {number}", parent=parent).splitlines(),
        )

    return Problem(
        slots={"name": name, "number": str(number)},
        answer=on_join("leaderstats", "stats"),
        outdated=(
            NearMiss(on_join("Leaderstats", "stats"), "its name must be in small letters"),
            NearMiss(on_join("leaderstats", "player"), "the value is beside the folder"),
        ),
        slips=(NearMiss(on_join("leaderboard", "stats"), "another name"),),
        checks=(
            TaskCheck(
                "leaderstats",
                f"{_JOINED}{find('stats', 'leaderstats', 'player')}{find('score', name, 'stats')}"
                f'equal(score.Value, {number}, "Value")',
            ),
        ),
    )


def humanoid(draw: Draw) -> Problem:
    """A property of each humanoid; careless code sets it on the character or before there is one."""
    name = draw.stream.choice(PROPERTIES)
    number = draw.number(2, STEEPEST_DEG if name == "MaxSlopeAngle" else 999)

    def on_spawn(target: str) -> str:
        spawned = handler("player.CharacterAdded", "character", f"{target}.{name} = {number}").splitlines()
        return handler(f"{PLAYERS}.PlayerAdded", "player", *spawned)

    too_soon = handler(f"{PLAYERS}.PlayerAdded", "player", f"player.Character.Humanoid.{name} = {number}")
    return Problem(
        slots={"property": name, "number": str(number)},
        answer=on_spawn('character:WaitForChild("Humanoid")'),
        outdated=(
            NearMiss(on_spawn("character"), "a character is no humanoid"),
            NearMiss(too_soon, "there is no character yet"),
        ),
        slips=(NearMiss(on_spawn("player"), "a player is no humanoid"),),
        checks=(
            TaskCheck(
                "spawned",
                f"{_JOINED}local character = spawn(player)\nstep(0.1)\n"
                f'equal(character.Humanoid.{name}, {number}, "{name}")',
            ),
        ),
    )


def remote(draw: Draw) -> Problem:
    """A handler of a remote event; careless code forgets the player or invents the event."""
    name, attribute = pascal(draw), pascal(draw)
    event = made("remote", "RemoteEvent", f'Name = "{name}"', parent=STORAGE)
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
    Kind("coding", "leaderstats", 3, phrases.LEADERSTATS, leaderstats),
    Kind("coding", "humanoid", 4, phrases.HUMANOID, humanoid),
    Kind("coding", "remote", 3, phrases.REMOTE, remote),
    Kind("coding", "callback", 3, phrases.CALLBACK, callback),
)
