"""Coding problems about stored values: attributes, value objects, settings of services, counted children."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, find, made, pascal, service
from eval.domains.roblox.mini.phrases import data_phrases as phrases
from eval.records import NearMiss, TaskCheck

VALUES = {"IntValue": "an IntValue", "NumberValue": "a NumberValue"}
PLACES = ("ReplicatedStorage", "ServerStorage", "Lighting")
SETTINGS = (
    ("Lighting", "FogEnd"),
    ("Lighting", "FogStart"),
    ("Workspace", "Gravity"),
    ("StarterPlayer", "CharacterWalkSpeed"),
    ("StarterPlayer", "CameraMaxZoomDistance"),
    ("Players", "RespawnTime"),
)
MOST_PARTS = 99


def attribute(draw: Draw) -> Problem:
    """An attribute of workspace; careless code assigns a member or quotes the number."""
    name, number = pascal(draw), draw.number(2, 999)
    return Problem(
        slots={"attribute": name, "number": str(number)},
        answer=f'workspace:SetAttribute("{name}", {number})\n',
        outdated=(
            NearMiss(f"workspace.{name} = {number}\n", "an attribute is no member"),
            NearMiss(f'workspace:SetAttribute("{name}", "{number}")\n', "text, not a number"),
        ),
        slips=(NearMiss(f"workspace:SetAttribute({name}, {number})\n", "the name is not quoted"),),
        checks=(TaskCheck("attribute", attribute_equals("workspace", name, number)),),
    )


def value(draw: Draw) -> Problem:
    """A value object in a service; careless code invents a class or a method."""
    name, number, home = pascal(draw), draw.number(2, 999), draw.stream.choice(PLACES)
    class_name = draw.stream.choice(tuple(VALUES))
    named, parent = f'Name = "{name}"', service(home)
    by_method = made("value", class_name, named, parent=parent) + f"value:SetValue({number})\n"
    return Problem(
        slots={"name": name, "number": str(number), "place": home, "kind": VALUES[class_name]},
        answer=made("value", class_name, named, f"Value = {number}", parent=parent),
        outdated=(
            NearMiss(
                made("value", class_name.removesuffix("Value"), named, f"Value = {number}", parent=parent),
                "there is no such class",
            ),
            NearMiss(by_method, "there is no method SetValue"),
        ),
        slips=(NearMiss(made("value", class_name, named, f"Value = {number}"), "another parent"),),
        checks=(
            TaskCheck("value", f'{find("value", name, parent)}equal(value.Value, {number}, "Value")'),
            TaskCheck("class", f'{find("value", name, parent)}equal(value.ClassName, "{class_name}", "ClassName")'),
        ),
    )


def setting(draw: Draw) -> Problem:
    """A property of a service; careless code sets it on the game or invents a method."""
    (owner, name), number = draw.stream.choice(SETTINGS), draw.number(2, 999)
    return Problem(
        slots={"service": owner, "property": name, "number": str(number)},
        answer=f"{service(owner)}.{name} = {number}\n",
        outdated=(
            NearMiss(f"game.{name} = {number}\n", "a property of the service, not of the game"),
            NearMiss(f"{service(owner)}:Set{name}({number})\n", "there is no such method"),
        ),
        slips=(NearMiss(f"{service(owner)}.{name} = {number + 1}\n", "another number"),),
        checks=(TaskCheck("property", f'equal({service(owner)}.{name}, {number}, "{name}")'),),
    )


def folder(draw: Draw) -> Problem:
    """A folder of many parts; careless code counts from 0 or loops over a number."""
    name, count = pascal(draw), draw.number(2, MOST_PARTS)

    def filled(loop: str, parent: str = "folder") -> str:
        made_folder = made("folder", "Folder", f'Name = "{name}"')
        return f'{made_folder}{loop} do\n\tInstance.new("Part").Parent = {parent}\nend\n'

    return Problem(
        slots={"name": name, "count": str(count)},
        answer=filled(f"for index = 1, {count}"),
        outdated=(
            NearMiss(filled(f"for index = 0, {count}"), "one part too many"),
            NearMiss(filled(f"for index in {count}"), "a number cannot be looped over"),
        ),
        slips=(NearMiss(filled(f"for index = 1, {count}", "workspace"), "the parts are beside the folder"),),
        checks=(
            TaskCheck("folder", f'{find("folder", name)}equal(folder.ClassName, "Folder", "ClassName")'),
            TaskCheck(
                "parts",
                f"{find('folder', name)}local count = 0\nfor _, child in folder:GetChildren() do\n"
                f'\tif child:IsA("BasePart") then count += 1 end\nend\nequal(count, {count}, "number of parts")',
            ),
        ),
    )


KINDS = (
    Kind("coding", "attribute", 1, phrases.ATTRIBUTE, attribute),
    Kind("coding", "value", 2, phrases.VALUE, value),
    Kind("coding", "setting", 1, phrases.SETTING, setting),
    Kind("coding", "folder", 2, phrases.FOLDER, folder),
)
