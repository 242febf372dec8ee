"""Rays, boxes and screens: geometry that Roblox' world computes exactly, and what it refuses to guess."""

from __future__ import annotations

import pytest

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import assert_prints, judged

WALL = """
local wall = Instance.new("Part")
wall.Name, wall.Size, wall.Position, wall.Anchored = "Wall", Vector3.new(2, 10, 10), Vector3.new(10, 0, 0), true
wall.Parent = workspace
local function cast(direction, params) return workspace:Raycast(Vector3.zero, direction, params) end
"""

# name -> program after WALL, its lines
QUERIES: dict[str, tuple[str, list[str]]] = {
    "a ray meets the near face": (
        """
        local hit = cast(Vector3.new(20, 0, 0))
        print(hit.Instance, hit.Position, hit.Normal, hit.Distance, hit.Material.Name)
        print(cast(Vector3.new(-20, 0, 0)), cast(Vector3.new(8, 0, 0)))
        """,
        ["Wall 9, 0, 0 -1, 0, 0 9 Plastic", "nil nil"],
    ),
    "turned blocks are met where they are": (
        """
        wall.CFrame = CFrame.new(10, 0, 0) * CFrame.Angles(0, math.rad(45), 0)
        wall.Size = Vector3.new(2, 2, 2)
        print(math.abs(cast(Vector3.new(20, 0, 0)).Distance - (10 - math.sqrt(2))) < 1e-4)
        """,
        ["true"],
    ),
    "filters take parts away or leave only them": (
        """
        local params = RaycastParams.new()
        params.FilterDescendantsInstances = { wall }
        print(cast(Vector3.new(20, 0, 0), params))
        params.FilterType = Enum.RaycastFilterType.Include
        print(cast(Vector3.new(20, 0, 0), params).Instance)
        params.FilterDescendantsInstances = {}
        params:AddToFilter(workspace)
        print(cast(Vector3.new(20, 0, 0), params).Instance)
        params = RaycastParams.new()
        params.IncludeInstances = { workspace }
        print(cast(Vector3.new(20, 0, 0), params).Instance, params.ExcludeInstances)
        params.ExcludeInstances = { wall }
        print(cast(Vector3.new(20, 0, 0), params))
        params.ExcludeInstances, params.IncludeInstances = nil, {}
        print(cast(Vector3.new(20, 0, 0), params))
        wall.CanQuery = false
        print(cast(Vector3.new(20, 0, 0)))
        """,
        ["nil", "Wall", "Wall", "Wall nil", "nil", "nil", "nil"],
    ),
    "a ball is round": (
        """
        wall.Shape, wall.Size, wall.Position = Enum.PartType.Ball, Vector3.new(4, 4, 4), Vector3.new(0, 10, 1)
        print(math.abs(cast(Vector3.new(0, 50, 0)).Position.Y - (10 - math.sqrt(3))) < 1e-4)
        """,
        ["true"],
    ),
    "a cylinder lies along its first axis": (
        """
        wall.Shape, wall.Size, wall.Position = Enum.PartType.Cylinder, Vector3.new(10, 4, 4), Vector3.new(0, 10, 0)
        local side = workspace:Raycast(Vector3.new(4, 0, 1), Vector3.new(0, 50, 0))
        print(math.abs(side.Position.Y - (10 - math.sqrt(3))) < 1e-4, workspace:Raycast(Vector3.new(4, 0, 2.1), Vector3.new(0, 50, 0)))
        local cap = workspace:Raycast(Vector3.new(-20, 11, 0), Vector3.new(50, 0, 0))
        print(cap.Position:FuzzyEq(Vector3.new(-5, 11, 0)), cap.Normal, workspace:Raycast(Vector3.new(-20, 12, 1), Vector3.new(50, 0, 0)))
        """,
        ["true nil", "true -1, 0, 0 nil"],
    ),
    "a ray that starts inside a block does not meet it": (
        """
        wall.Position = Vector3.zero
        print(cast(Vector3.new(20, 0, 0)))
        """,
        ["nil"],
    ),
    "boxes and spheres find the blocks they reach": (
        """
        local function count(list) return #list end
        print(count(workspace:GetPartBoundsInBox(CFrame.new(), Vector3.new(17, 1, 1))))
        print(count(workspace:GetPartBoundsInBox(CFrame.new(), Vector3.new(19, 1, 1))))
        print(count(workspace:GetPartBoundsInRadius(Vector3.zero, 8.9)), count(workspace:GetPartBoundsInRadius(Vector3.zero, 9)))
        local other = wall:Clone()
        other.Position += Vector3.new(1, 0, 0)
        other.Parent = workspace
        print(workspace:GetPartsInPart(wall)[1] == other)
        local params = OverlapParams.new()
        params.MaxParts = 1
        print(count(workspace:GetPartBoundsInRadius(Vector3.zero, 50, params)))
        """,
        ["0", "1", "0 1", "true", "1"],
    ),
    "collision groups part rays from blocks": (
        """
        local physics = game:GetService("PhysicsService")
        physics:RegisterCollisionGroup("Ghosts")
        physics:CollisionGroupSetCollidable("Ghosts", "Default", false)
        wall.CollisionGroup = "Ghosts"
        print(cast(Vector3.new(20, 0, 0)))
        """,
        ["nil"],
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query(world: World, name: str) -> None:
    code, lines = QUERIES[name]
    assert_prints(world, WALL + code, lines)


@pytest.mark.parametrize("shape", ['Instance.new("MeshPart")', 'Instance.new("WedgePart")'])
def test_a_ray_at_a_shape_that_is_no_block_needs_studio(world: World, shape: str) -> None:
    code = f"local part = {shape} part.Position = Vector3.new(0, 0, 30) part.Parent = workspace print(workspace:Raycast(Vector3.zero, Vector3.new(0, 0, 50)))"
    assert judged(world, code).outcome is Outcome.NEEDS_STUDIO


SCREEN = """
local screen = Instance.new("ScreenGui")
screen.Parent = game:GetService("StarterGui")
local function add(class, parent, properties)
    local made = Instance.new(class)
    for name, value in properties do made[name] = value end
    made.Parent = parent
    return made
end
local frame = add("Frame", screen, { Size = UDim2.new(0.5, 0, 0, 200), Position = UDim2.fromScale(0.5, 0.5), AnchorPoint = Vector2.new(0.5, 0.5) })
"""

LAYOUTS: dict[str, tuple[str, list[str]]] = {
    "scales, offsets and anchors": (
        "print(screen.AbsoluteSize, frame.AbsoluteSize, frame.AbsolutePosition)",
        ["1280, 662 640, 200 320, 231"],
    ),
    "a list inside a padding": (
        """
        add("UIPadding", frame, { PaddingLeft = UDim.new(0, 10), PaddingTop = UDim.new(0, 20) })
        local list = add("UIListLayout", frame, { Padding = UDim.new(0, 5), SortOrder = Enum.SortOrder.LayoutOrder })
        for order = 1, 3 do add("TextLabel", frame, { Name = `L{order}`, LayoutOrder = 4 - order, Size = UDim2.new(1, 0, 0, 30) }) end
        for order = 1, 3 do print(frame[`L{order}`].AbsolutePosition - frame.AbsolutePosition, frame[`L{order}`].AbsoluteSize) end
        print(list.AbsoluteContentSize)
        """,
        ["10, 90 630, 30", "10, 55 630, 30", "10, 20 630, 30", "630, 100"],
    ),
    "a grid breaks its lines": (
        """
        frame.Size = UDim2.fromOffset(320, 200)
        local grid = add("UIGridLayout", frame, { SortOrder = Enum.SortOrder.LayoutOrder })
        for order = 1, 5 do add("Frame", frame, { Name = `C{order}`, LayoutOrder = order }) end
        print(frame.C4.AbsolutePosition - frame.AbsolutePosition, frame.C4.AbsoluteSize, grid.AbsoluteContentSize)
        grid.FillDirectionMaxCells = 2
        print(frame.C4.AbsolutePosition - frame.AbsolutePosition)
        """,
        ["0, 105 100, 100 310, 205", "105, 105"],
    ),
    "constraints and scales": (
        """
        add("UIAspectRatioConstraint", frame, { AspectRatio = 1 })
        print(frame.AbsoluteSize)
        local inner = add("Frame", frame, { Size = UDim2.new(1, 0, 1, 0) })
        add("UISizeConstraint", inner, { MaxSize = Vector2.new(50, 60) })
        print(inner.AbsoluteSize)
        add("UIScale", frame, { Scale = 2 })
        print(frame.AbsoluteSize)
        """,
        ["200, 200", "50, 60", "400, 400"],
    ),
    "texts have a size and one font in two spellings": (
        """
        local label = add("TextLabel", frame, { Text = "hello", TextSize = 20, Size = UDim2.fromOffset(40, 40) })
        print(label.TextBounds, label.TextFits, label.Font)
        label.Font = Enum.Font.GothamBold
        print(label.FontFace.Weight)
        label.FontFace = Font.fromEnum(Enum.Font.Arcade)
        print(label.Font)
        """,
        ["50, 20 false Enum.Font.Legacy", "Enum.FontWeight.Bold", "Enum.Font.Arcade"],
    ),
    "a scrolling frame's canvas": (
        """
        local scrolling = add("ScrollingFrame", frame, { Size = UDim2.fromOffset(100, 100), CanvasPosition = Vector2.new(0, 30) })
        local inner = add("Frame", scrolling, { Size = UDim2.fromScale(1, 1) })
        print(scrolling.AbsoluteCanvasSize, scrolling.AbsoluteWindowSize, inner.AbsoluteSize)
        print(inner.AbsolutePosition - scrolling.AbsolutePosition)
        """,
        ["100, 200 100, 100 100, 200", "0, -30"],
    ),
    "automatic sizes hold their children": (
        """
        local box = add("Frame", screen, { Size = UDim2.fromOffset(100, 0), AutomaticSize = Enum.AutomaticSize.Y })
        add("Frame", box, { Size = UDim2.new(1, 0, 0, 50), Position = UDim2.fromOffset(0, 20) })
        print(box.AbsoluteSize)
        """,
        ["100, 70"],
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout(world: World, name: str) -> None:
    code, lines = LAYOUTS[name]
    assert_prints(world, SCREEN + code, lines)
