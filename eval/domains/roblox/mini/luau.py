"""Luau text for answers and checks: making an instance, connecting a handler, finding what a program made."""

from __future__ import annotations

from eval.dealing.pools import Draw

WORKSPACE = "workspace"


def pascal(draw: Draw) -> str:
    """Return a name as Roblox spells them, such as "Kelp"."""
    return draw.word().capitalize()


def service(name: str) -> str:
    """Return the expression of a service."""
    return f'game:GetService("{name}")'


def made(variable: str, class_name: str, *settings: str, parent: str = WORKSPACE) -> str:
    """Return a program that makes an instance, sets it up line by line, and gives it a parent last ("": none)."""
    lines = [f'local {variable} = Instance.new("{class_name}")', *(f"{variable}.{setting}" for setting in settings)]
    return "".join(f"{line}\n" for line in (*lines, *([f"{variable}.Parent = {parent}"] if parent else ())))


def named_part(name: str, *settings: str, parent: str = WORKSPACE) -> str:
    """Return a program that makes a part with a name."""
    return made("part", "Part", f'Name = "{name}"', *settings, parent=parent)


def handler(signal: str, parameters: str, *body: str) -> str:
    """Return the statement that connects a function of these parameters and lines to ``signal``."""
    return f"{signal}:Connect(function({parameters})\n" + "".join(f"\t{line}\n" for line in body) + "end)\n"


def module(*body: str, returned: str = "return module\n", head: str = "") -> str:
    """Return a module script around the lines of one function."""
    return f"{head}local module = {{}}\n" + "".join(f"{line}\n" for line in body) + returned


def find(variable: str, name: str, place: str = WORKSPACE) -> str:
    """Return the lines of a check that find a child of ``place`` or fail with a sentence."""
    return (
        f'local {variable} = {place}:FindFirstChild("{name}")\n'
        f'expect({variable} ~= nil, "there is no {name} in {place_name(place)}")\n'
    )


def place_name(place: str) -> str:
    """Return a place as sentences name it: ``game:GetService("Lighting")`` is Lighting."""
    return place.removeprefix('game:GetService("').removesuffix('")')


def attribute_equals(instance: str, attribute: str, expected: object, moment: str = "") -> str:
    """Return a line of a check: an attribute of ``instance`` (an expression) has a value."""
    return f'equal({instance}:GetAttribute("{attribute}"), {expected}, "attribute {attribute}{moment}")\n'
