"""Files of Roblox' world that are loaded when a program first uses what they are named after."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eval.domains.roblox.api import facts
from eval.domains.roblox.verify import world_files
from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_prints

WORLD = Path(world_files.__file__).with_name("world")
# Datatypes that no program makes by itself: results, and what only the engine hands out.
WITHOUT_CONSTRUCTORS = {
    "AdReward",
    "Collection",
    "Enums",
    "EnumItem",
    "RBXScriptConnection",
    "RBXScriptSignal",
    "RaycastResult",
    "Secret",
    "SecurityCapabilities",
    "User",
}


def datatypes() -> list[str]:
    """Return the datatypes that the reference gives constructors."""
    others = facts.load().others
    made = [name for name, members in others.items() if any(each.kind == "function" for each in members.values())]
    libraries = {"bit32", "buffer", "coroutine", "debug", "math", "os", "string", "table", "task", "utf8", "vector"}
    return [name for name in made if name not in WITHOUT_CONSTRUCTORS | libraries and " " not in name]


def leads() -> dict[str, list[str]]:
    """Return the types and classes that kit.luau finds in files of another name."""
    text = (WORLD / "datatypes" / "kit.luau").read_text(encoding="utf-8")
    table = text.split("local FILES = {")[1].split("\n}")[0]
    return {file: names.split() for file, names in re.findall(r'(\w+) = "([^"]+)"', table)}


@pytest.mark.parametrize("folder", ["datatypes", "services"])
def test_a_file_with_a_capital_letter_is_named_after_something_of_the_api(folder: str) -> None:
    stored = facts.load()
    names = {file.stem for file in (WORLD / folder).glob("*.luau") if file.stem[0].isupper()}
    assert names <= {*stored.classes, *stored.others, "Enum"}


def test_every_lead_ends_at_a_file_and_names_something_of_the_api() -> None:
    stored = facts.load()
    files = {file.stem for folder in ("datatypes", "services") for file in (WORLD / folder).glob("*.luau")}
    assert set(leads()) <= files
    assert {name for names in leads().values() for name in names} <= {*stored.classes, *stored.others}


def test_every_datatype_is_there_when_a_program_names_it(world: World) -> None:
    names = datatypes()
    assert len(names) >= 35
    code = "\n".join(f'print("{name}", type({name}))' for name in names)
    assert_prints(world, code, [f"{name} table" for name in names])


def test_every_constructor_of_the_reference_exists(world: World) -> None:
    others = facts.load().others
    listed = [
        f"{name}.{each.name}" for name in datatypes() for each in others[name].values() if each.kind == "function"
    ]
    code = "\n".join(f'if {path} == nil then print("{path}") end' for path in listed)
    assert_prints(world, code, [])


# A value of each type whose members are read below; what a reference newer than the model has is left out.
VALUES = {
    "Axes": "Axes.new()",
    "BrickColor": "BrickColor.Red()",
    "CFrame": "CFrame.new()",
    "Color3": "Color3.new()",
    "ColorSequence": "ColorSequence.new(Color3.new())",
    "Content": 'Content.fromUri("x")',
    "DateTime": "DateTime.now()",
    "Enum": "Enum.Material",
    "EnumItem": "Enum.Material.Neon",
    "Faces": "Faces.new()",
    "Font": 'Font.fromName("Arial")',
    "NumberRange": "NumberRange.new(1)",
    "NumberSequence": "NumberSequence.new(1)",
    "NumberSequenceKeypoint": "NumberSequenceKeypoint.new(0, 1)",
    "OverlapParams": "OverlapParams.new()",
    "PathWaypoint": "PathWaypoint.new(Vector3.zero)",
    "PhysicalProperties": "PhysicalProperties.new(1, 1, 1)",
    "Random": "Random.new(1)",
    "Ray": "Ray.new()",
    "RaycastParams": "RaycastParams.new()",
    "Rect": "Rect.new(0, 0, 1, 1)",
    "Region3": "Region3.new(Vector3.zero, Vector3.one)",
    "TweenInfo": "TweenInfo.new()",
    "UDim": "UDim.new()",
    "UDim2": "UDim2.new()",
    "Vector2": "Vector2.new()",
    "Vector3": "Vector3.new()",
    "Vector3int16": "Vector3int16.new()",
}


def test_every_member_of_the_reference_can_be_read(world: World) -> None:
    others = facts.load().others
    lines = [
        f'if not pcall(function() return ({value}).{each.name} end) then print("{name}.{each.name}") end'
        for name, value in VALUES.items()
        for each in others[name].values()
        if each.kind in ("property", "method")
    ]
    assert len(lines) > 150
    assert_prints(world, "\n".join(lines), [])
