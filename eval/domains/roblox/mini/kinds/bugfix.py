"""Bugfix problems: a small program with one fault, fixed by a unified diff."""

from __future__ import annotations

from eval.dealing.diffs import mended
from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, find, made, named_part, pascal, service
from eval.domains.roblox.mini.phrases import bugfix_phrases as phrases
from eval.records import TaskCheck

FILE = "script.luau"
# A property, what it is misnamed, and its value with the drawn number in it.
MISNAMED = (
    ("Transparency", "Opacity", "1 / {number}"),
    ("Transparency", "Alpha", "1 / {number}"),
    ("Size", "Scale", "Vector3.new({number}, 1, 1)"),
    ("Size", "Dimensions", "Vector3.new({number}, 1, 1)"),
)
MISSPELT = {
    "ReplicatedStorage": ("ReplicateStorage", "ReplicationStorage"),
    "ServerStorage": ("ServerStore", "StorageServer"),
    "Lighting": ("Lightning", "Lights"),
}


def wrong_member(draw: Draw) -> Problem:
    """A part of which one property has a name that the engine does not know."""
    name, number = pascal(draw), draw.number(2, 999)
    right, wrong, template = draw.stream.choice(MISNAMED)
    value = template.format(number=number)
    whole = named_part(name, "Anchored = true", f"{right} = {value}")
    check = TaskCheck("property", f'{find("part", name)}near(part.{right}, {value}, 0.001, "{right}")')
    return mended(whole.replace(right, wrong), whole, FILE, (check, anchored_check(name)))


def anchored_check(name: str) -> TaskCheck:
    """Return a check that what the fault did not concern is as before."""
    return TaskCheck("anchored", f'{find("part", name)}equal(part.Anchored, true, "Anchored")')


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
    first, second, number = pascal(draw), pascal(draw), draw.number(2, 999)
    right = draw.stream.choice(tuple(MISSPELT))
    wrong = draw.stream.choice(MISSPELT[right])
    own = f'workspace:SetAttribute("{first}", {number})\n'
    whole = f'{own}{service(right)}:SetAttribute("{second}", {number})\n'
    checks = (
        TaskCheck("own attribute", attribute_equals("workspace", first, number)),
        TaskCheck("service's attribute", attribute_equals(service(right), second, number)),
    )
    return mended(whole.replace(right, wrong), whole, FILE, checks)


def unparented(draw: Draw) -> Problem:
    """A part that is never put into workspace."""
    name, number = pascal(draw), draw.number(2, 999)
    settings = ("Anchored = true", f"Transparency = 1 / {number}")
    whole = named_part(name, *settings)
    check = TaskCheck(
        "transparency", f'{find("part", name)}near(part.Transparency, 1 / {number}, 0.001, "Transparency")'
    )
    return mended(named_part(name, *settings, parent=""), whole, FILE, (check, anchored_check(name)))


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
    """A handler of a remote event that takes the player for the value."""
    variable, name, attribute = draw.word(), pascal(draw), pascal(draw)
    event = made(variable, "RemoteEvent", f'Name = "{name}"', parent=service("ReplicatedStorage"))

    def connected(parameters: str) -> str:
        body = f'workspace:SetAttribute("{attribute}", value)'
        return f"{event}{variable}.OnServerEvent:Connect(function({parameters}) {body} end)\n"

    check = TaskCheck(
        "sent",
        f'{find("remote", name, service("ReplicatedStorage"))}local player = join("Visitor")\n'
        f"fireServer(player, remote, 7)\nstep(0.1)\n{attribute_equals('workspace', attribute, 7)}",
    )
    return mended(connected("value"), connected("player, value"), FILE, (check,))


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
