"""Bugfix problems: a small program with one fault, fixed by a unified diff."""

from __future__ import annotations

from functools import partial

from eval.dealing.diffs import mended
from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, find, handler, made, named_part, pascal, service
from eval.domains.roblox.mini.phrases import bugfix_phrases as phrases
from eval.records import TaskCheck

FILE = "script.luau"
MISNAMED = (
    ("Anchored", "Static", "true"),
    ("Anchored", "IsAnchored", "true"),
    ("CanCollide", "Collide", "false"),
    ("CanCollide", "Solid", "false"),
)
MISSPELT = {
    "ReplicatedStorage": ("ReplicateStorage", "ReplicationStorage"),
    "ServerStorage": ("ServerStore", "StorageServer"),
    "Lighting": ("Lightning", "Lights"),
}
STORAGE = service("ReplicatedStorage")


def part_check(name: str, member: str, expected: str) -> TaskCheck:
    """Return a check of one property of a part in workspace."""
    return TaskCheck(member, f'{find("part", name)}equal(part.{member}, {expected}, "{member}")')


def wrong_member(draw: Draw) -> Problem:
    """A part of which one property has a name that the engine does not know."""
    name, number = pascal(draw), draw.number(2, 999)
    right, wrong, setting = draw.stream.choice(MISNAMED)
    whole = named_part(name, f"{right} = {setting}", f"Transparency = 1 / {number}")
    checks = (part_check(name, right, setting), transparency_check(name, number))
    return mended(whole.replace(right, wrong), whole, FILE, checks)


def transparency_check(name: str, number: int) -> TaskCheck:
    """Return a check that a part's transparency is one part of ``number``."""
    return TaskCheck(
        "Transparency", f'{find("part", name)}near(part.Transparency, 1 / {number}, 0.001, "Transparency")'
    )


def dot_call(draw: Draw) -> Problem:
    """A method called with a dot."""
    name, first, second = pascal(draw), pascal(draw), pascal(draw)
    number = draw.number(2, 999)
    tag, attribute = f'part:AddTag("{first}")\n', f'part:SetAttribute("{second}", {number})\n'
    whole = named_part(name) + tag + attribute
    wrong = draw.stream.choice((tag, attribute))
    checks = (
        TaskCheck("tag", f'{find("part", name)}equal(part:HasTag("{first}"), true, "HasTag")'),
        TaskCheck("attribute", find("part", name) + attribute_equals("part", second, number)),
    )
    return mended(whole.replace(wrong, wrong.replace(":", ".")), whole, FILE, checks)


def missing_end(draw: Draw) -> Problem:
    """A module function that is never ended."""
    name, number = draw.word(), draw.number(2, 999)
    symbol = draw.stream.choice("*+-")
    whole = f"local module = {{}}\nfunction module.{name}(x)\n\treturn x {symbol} {number}\nend\nreturn module\n"
    check = TaskCheck("result", f'equal(module().{name}(7), 7 {symbol} {number}, "result")')
    return mended(whole.replace("end\n", ""), whole, FILE, (check,))


def wrong_service(draw: Draw) -> Problem:
    """A service with a misspelt name."""
    name, number = pascal(draw), draw.number(2, 999)
    right = draw.stream.choice(tuple(MISSPELT))
    wrong = draw.stream.choice(MISSPELT[right])
    whole = made("value", "IntValue", f'Name = "{name}"', f"Value = {number}", parent=service(right))
    check = TaskCheck("value", f'{find("value", name, service(right))}equal(value.Value, {number}, "Value")')
    return mended(whole.replace(right, wrong), whole, FILE, (check,))


def unparented(draw: Draw) -> Problem:
    """A part that is never put into workspace."""
    name, number = pascal(draw), draw.number(2, 999)
    settings = draw.stream.sample(("Anchored = true", f"Transparency = 1 / {number}"), 2)
    whole = named_part(name, *settings)
    checks = (part_check(name, "Anchored", "true"), transparency_check(name, number))
    return mended(named_part(name, *settings, parent=""), whole, FILE, checks)


def wrong_value(draw: Draw) -> Problem:
    """An attribute with the wrong value."""
    name, first, second = pascal(draw), pascal(draw), pascal(draw)
    good, bad, other = draw.number(2, 999), draw.number(2, 999), draw.number(2, 999)
    while bad == good:
        bad = draw.number(2, 999)
    lines = [(first, good), (second, other)]
    draw.stream.shuffle(lines)
    whole = named_part(name) + "".join(f'part:SetAttribute("{key}", {value})\n' for key, value in lines)
    checks = tuple(
        TaskCheck(f"attribute {key}", find("part", name) + attribute_equals("part", key, value)) for key, value in lines
    )
    broken = whole.replace(f'"{first}", {good})', f'"{first}", {bad})')
    return mended(broken, whole, FILE, checks, {"good": str(good), "bad": str(bad)})


def called_handler(draw: Draw) -> Problem:
    """A handler that is called where it should be passed to Connect."""
    name, attribute, number = draw.word(), pascal(draw), draw.number(2, 999)
    whole = (
        f'local function {name}(player)\n\tplayer:SetAttribute("{attribute}", {number})\nend\n'
        f"{service('Players')}.PlayerAdded:Connect({name})\n"
    )
    check = TaskCheck(
        "joined", 'local player = join("Visitor")\nstep(0.1)\n' + attribute_equals("player", attribute, number)
    )
    return mended(whole.replace(f"Connect({name})", f"Connect({name}())"), whole, FILE, (check,))


def missing_player(draw: Draw) -> Problem:
    """A handler of a remote event that takes the value for the player."""
    name, attribute = pascal(draw), pascal(draw)
    event = made("remote", "RemoteEvent", f'Name = "{name}"', parent=STORAGE)
    connected = partial(handler, "remote.OnServerEvent")
    mark = f'workspace:SetAttribute("{attribute}", value)'
    check = TaskCheck(
        "sent",
        f'{find("remote", name, STORAGE)}local player = join("Visitor")\nfireServer(player, remote, 7)\nstep(0.1)\n'
        + attribute_equals("workspace", attribute, 7),
    )
    return mended(event + connected("value", mark), event + connected("player, value", mark), FILE, (check,))


KINDS = (
    Kind("bugfix", "wrong_member", 3, phrases.WRONG_MEMBER, wrong_member, "diff"),
    Kind("bugfix", "dot_call", 3, phrases.DOT_CALL, dot_call, "diff"),
    Kind("bugfix", "missing_end", 3, phrases.MISSING_END, missing_end, "diff"),
    Kind("bugfix", "wrong_service", 3, phrases.WRONG_SERVICE, wrong_service, "diff"),
    Kind("bugfix", "unparented", 3, phrases.UNPARENTED, unparented, "diff"),
    Kind("bugfix", "wrong_value", 2, phrases.WRONG_VALUE, wrong_value, "diff"),
    Kind("bugfix", "called_handler", 3, phrases.CALLED_HANDLER, called_handler, "diff"),
    Kind("bugfix", "missing_player", 3, phrases.MISSING_PLAYER, missing_player, "diff"),
)
