"""Instances are as strict as the engine's: what a program may read, set, make and move, with the engine's error texts."""

from __future__ import annotations

from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_errors, assert_expressions, assert_prints

REFUSED = {
    "return workspace.Nothing": 'Nothing is not a valid member of Workspace "Workspace"',
    "workspace.Nothing = 1": 'Nothing is not a valid member of Workspace "Workspace"',
    "workspace:Nothing()": 'Nothing is not a valid member of Workspace "Workspace"',
    'Instance.new("Part").Anchored = 1': "Unable to assign property Anchored. boolean expected, got number",
    'Instance.new("Part").Name = {}': "Unable to assign property Name. string expected, got table",
    'Instance.new("Part").Size = 5': "Unable to assign property Size. Vector3 expected, got number",
    'Instance.new("Part").ClassName = "x"': "Unable to assign property ClassName. Property is read only",
    'Instance.new("Part").Material = "Cheese"': 'Invalid value "Cheese" for enum Material',
    'Instance.new("Part").Material = {}': "Unable to assign property Material. EnumItem expected, got table",
    'Instance.new("BasePart")': 'Unable to create an Instance of type "BasePart"',
    'Instance.new("Players")': 'Unable to create an Instance of type "Players"',
    'Instance.new("Car")': 'Unable to create an Instance of type "Car"',
    'game:GetService("Car")': "'Car' is not a valid Service name",
    'workspace.FindFirstChild("x")': "Expected ':' not '.' calling member function FindFirstChild",
    "workspace:FindFirstChild()": "Argument 1 missing or nil",
    "workspace:FindFirstChild({})": "Unable to cast table to string",
    "workspace.Parent = nil": "The Parent property of Workspace is locked, current parent: Game, new parent NULL",
    'local p = Instance.new("Part") p:Destroy() p.Parent = workspace': (
        "The Parent property of Part is locked, current parent: NULL, new parent Workspace"
    ),
    'local p = Instance.new("Part") p.Parent = p': "Attempt to set Part as its own parent",
    'local a, b = Instance.new("Model"), Instance.new("Folder") b.Parent = a a.Parent = b': (
        "Attempt to set parent of Model to Model.Folder would result in circular reference"
    ),
    'Instance.new("Part").Parent = 5': "Unable to assign property Parent. Instance expected, got number",
    'workspace:GetPropertyChangedSignal("Nothing")': "Nothing is not a valid property name.",
    "workspace.ChildAdded:Connect(5)": "Attempt to connect failed: Passed value is not a function",
    "workspace.ChildAdded = 1": 'ChildAdded is not a valid member of Workspace "Workspace"',
    'return Instance.new("RemoteFunction").OnServerInvoke': (
        "OnServerInvoke is a callback member of RemoteFunction; you can only set the callback value, get is not available"
    ),
    'workspace:SetAttribute("a b", 1)': "Attribute name contains invalid characters: a b",
    'workspace:SetAttribute("a", {})': "table is not a supported attribute type",
    "require(workspace)": "Attempted to call require with invalid argument(s).",
    'loadstring("x = 1")': "loadstring() is not available",
}

VALUES = {
    "typeof(workspace)": "Instance",
    "type(workspace)": "userdata",
    "tostring(workspace)": "Workspace",
    'Instance.new("Part").ClassName': "Part",
    'Instance.new("Part"):IsA("BasePart")': "true",
    'Instance.new("Part"):IsA("Model")': "false",
    'Instance.new("Part").Size': "4, 1.2000000476837158, 2",
    "workspace.ChildAdded == workspace.ChildAdded": "true",
    "typeof(workspace.ChildAdded:Connect(print))": "RBXScriptConnection",
    "workspace.ChildAdded:Connect(print).Connected": "true",
    'game:GetService("Players") == game.Players': "true",
    'game:FindService("Debris") == nil': "true",
    'workspace:FindFirstChild("Nothing")': "nil",
    "game.ServerStorage:GetFullName()": "ServerStorage",
    "workspace == game.Workspace": "true",
}


def test_what_the_engine_refuses_is_refused_with_its_words(world: World) -> None:
    assert_errors(world, REFUSED)


def test_a_remote_s_other_side_is_refused_on_the_server(world: World) -> None:
    refused = {
        'local r = Instance.new("RemoteEvent") return r["On" .. "ClientEvent"]': (
            "OnClientEvent can only be used on the client"
        ),
        'local r = Instance.new("RemoteEvent") r["Fire" .. "Server"](r)': "FireServer can only be called from the client",
    }
    assert_errors(world, refused)


def test_values_read_as_in_the_engine(world: World) -> None:
    assert_expressions(world, {key: value for key, value in VALUES.items() if "Size" not in key})


def test_enums_are_set_by_item_name_or_number_and_numbers_by_text(world: World) -> None:
    code = (
        'local p = Instance.new("Part")\np.Material = Enum.Material.Wood print(p.Material)\np.Material = "Glass" '
        'print(p.Material)\np.Material = 256 print(p.Material)\np.Transparency = "0.5" print(p.Transparency)\n'
    )
    assert_prints(world, code, ["Enum.Material.Wood", "Enum.Material.Glass", "Enum.Material.Plastic", "0.5"])


def test_moving_an_instance_tells_everybody_above_and_below(world: World) -> None:
    code = """
local folder, part = Instance.new("Folder"), Instance.new("Part")
part.Parent = folder
workspace.ChildAdded:Connect(function(c) print("child", c) end)
workspace.DescendantAdded:Connect(function(c) print("descendant", c) end)
workspace.ChildRemoved:Connect(function(c) print("gone", c) end)
workspace.DescendantRemoving:Connect(function(c) print("going", c) end)
part.AncestryChanged:Connect(function(child, parent) print("ancestry", child, parent) end)
folder.Parent = workspace
task.wait()
folder.Parent = nil
"""
    up = ["child Folder", "descendant Folder", "descendant Part", "ancestry Folder Workspace"]
    assert_prints(world, code, [*up, "going Folder", "going Part", "gone Folder", "ancestry Folder nil"])


def test_destroying_ends_connections_and_children(world: World) -> None:
    code = """
local model, part = Instance.new("Model"), Instance.new("Part")
part.Parent = model
model.Parent = workspace
local connection = part.Touched:Connect(print)
part.Destroying:Connect(function() print("destroying") end)
model:Destroy()
task.wait()
print(connection.Connected, part.Parent, model.Parent, #model:GetChildren())
"""
    assert_prints(world, code, ["destroying", "false nil nil 0"])


def test_a_clone_has_values_children_attributes_and_points_into_itself(world: World) -> None:
    code = """
local model, part, skipped = Instance.new("Model"), Instance.new("Part"), Instance.new("Folder")
part.Name, part.Transparency, skipped.Archivable = "Handle", 0.25, false
part.Parent, skipped.Parent = model, model
model.PrimaryPart = part
model:SetAttribute("Level", 3)
model:AddTag("Shop")
local copy = model:Clone()
print(copy.Parent, copy.Handle.Transparency, copy:GetAttribute("Level"), copy:HasTag("Shop"), #copy:GetChildren())
print(copy.PrimaryPart == copy.Handle, copy.PrimaryPart == part)
"""
    assert_prints(world, code, ["nil 0.25 3 true 1", "true false"])


def test_changes_are_told_once_and_only_when_a_value_changes(world: World) -> None:
    code = """
local part, value = Instance.new("Part"), Instance.new("IntValue")
part.Changed:Connect(function(name) print("changed", name) end)
part:GetPropertyChangedSignal("Anchored"):Connect(function() print("anchored", part.Anchored) end)
value.Changed:Connect(function(new) print("value", new) end)
part.Anchored = true
part.Anchored = true
value.Value = 7
value.Value = 7
"""
    assert_prints(world, code, ["anchored true", "changed Anchored", "value 7"])


def test_waiting_for_a_child_ends_when_it_comes_when_it_is_renamed_or_when_the_time_is_over(world: World) -> None:
    code = """
task.spawn(function() print("came", workspace:WaitForChild("Lamp")) end)
task.spawn(function() print("in time", workspace:WaitForChild("Never", 2)) end)
task.wait(1)
local part = Instance.new("Part")
part.Parent = workspace
part.Name = "Lamp"
task.wait(2)
"""
    assert_prints(world, code + "print(time() >= 3)", ["came Lamp", "in time nil", "true"])


def test_tags_follow_instances_into_and_out_of_the_place(world: World) -> None:
    code = """
local tags = game:GetService("CollectionService")
tags:GetInstanceAddedSignal("Coin"):Connect(function(c) print("added", c) end)
tags:GetInstanceRemovedSignal("Coin"):Connect(function(c) print("removed", c) end)
local coin = Instance.new("Part")
coin:AddTag("Coin")
print(#tags:GetTagged("Coin"))
coin.Parent = workspace
print(#tags:GetTagged("Coin"))
task.wait()
coin:Destroy()
"""
    assert_prints(world, code, ["0", "1", "added Part", "removed Part"])
