"""Datatypes of Roblox' world compute and print as the engine's do.

The texts are those of the engine's documentation and of Studio's output where a comment says nothing else.
"""

from __future__ import annotations

from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_expressions, assert_prints

VECTORS = {
    "Vector3.new(1, 2, 3)": "1, 2, 3",
    "Vector3.new()": "0, 0, 0",
    # 32-bit components, shown with nine digits.
    "Vector3.new(0.1, 0.2, 0.3)": "0.100000001, 0.200000003, 0.300000012",
    "Vector3.new(0.1, 0, 0).X": "0.10000000149011612",
    "Vector3.new(3, 4, 0).Magnitude": "5",
    "Vector3.new(0, 4, 0).Unit": "0, 1, 0",
    "Vector3.new(1, 2, 3) * 2": "2, 4, 6",
    "Vector3.new(1, 2, 3) * Vector3.new(2, 2, 2)": "2, 4, 6",
    "Vector3.new(7, 8, 9) // 2": "3, 4, 4",
    "-Vector3.one": "-1, -1, -1",
    "Vector3.xAxis:Cross(Vector3.yAxis)": "0, 0, 1",
    "Vector3.new(1, 2, 3):Dot(Vector3.new(4, 5, 6))": "32",
    "Vector3.zero:Lerp(Vector3.new(10, 0, 0), 0.25)": "2.5, 0, 0",
    "Vector3.new(1, 9, 2):Max(Vector3.new(3, 0, 5))": "3, 9, 5",
    "Vector3.new(-1.5, 2.5, 0):Abs()": "1.5, 2.5, 0",
    "Vector3.FromNormalId(Enum.NormalId.Front)": "-0, -0, -1",
    "Vector3.new(1, 2, 3) == Vector3.new(1, 2, 3)": "true",
    "Vector3.new(1, 2, 3):FuzzyEq(Vector3.new(1, 2, 3.000001))": "true",
    "typeof(Vector3.zero)": "Vector3",
    "Vector2.new(3, 4).Magnitude": "5",
    "Vector2.new(1, 2) + Vector2.one": "2, 3",
    "2 * Vector2.new(1, 2)": "2, 4",
    "Vector2.new(1, 0):Cross(Vector2.new(0, 1))": "1",
    "Vector3int16.new(1, 2, 3) + Vector3int16.new(1, 1, 1)": "2, 3, 4",
    "Vector2int16.new(70000, 1)": "4464, 1",
}

FRAMES = {
    "CFrame.new(1, 2, 3)": "1, 2, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1",
    "CFrame.identity == CFrame.new()": "true",
    "CFrame.new(1, 2, 3).LookVector": "-0, -0, -1",
    "CFrame.new(1, 2, 3) * Vector3.new(1, 0, 0)": "2, 2, 3",
    "CFrame.new(1, 2, 3) + Vector3.new(1, 0, 0)": "2, 2, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1",
    # The cosine of a right angle in 32 bits.
    "CFrame.Angles(0, math.pi / 2, 0)": "0, 0, 0, -4.37113883e-08, 0, 1, 0, 1, 0, -1, 0, -4.37113883e-08",
    "CFrame.new(5, 0, 0):ToObjectSpace(CFrame.new(7, 1, 0)).Position": "2, 1, 0",
    "CFrame.new(5, 0, 0):PointToObjectSpace(Vector3.new(7, 1, 0))": "2, 1, 0",
    "CFrame.new(5, 0, 0):PointToWorldSpace(Vector3.xAxis, Vector3.yAxis)": "6, 0, 0 5, 1, 0",
    "CFrame.lookAt(Vector3.zero, Vector3.new(0, 0, 5)).LookVector": "0, 0, 1",
    "CFrame.new(Vector3.zero, Vector3.new(0, 9, 0)).LookVector.Y": "1",
    "CFrame.new(0, 0, 0):Lerp(CFrame.new(10, 0, 0), 0.5).X": "5",
    "select('#', CFrame.new():GetComponents())": "12",
    "CFrame.fromMatrix(Vector3.zero, Vector3.xAxis, Vector3.yAxis) == CFrame.identity": "true",
    "CFrame.fromEulerAnglesYXZ(0.5, 0, 0) == CFrame.Angles(0.5, 0, 0)": "true",
}

COLOURS = {
    "Color3.fromRGB(255, 128, 0)": "1, 0.501960814, 0",
    'Color3.fromHex("#ff8000"):ToHex()': "ff8000",
    'Color3.fromHex("f80") == Color3.fromRGB(255, 136, 0)': "true",
    "Color3.fromHSV(0.5, 1, 1)": "0, 1, 1",
    "Color3.new(0, 0, 1):ToHSV()": "0.6666666666666666 1 1",
    "Color3.new(0, 0, 0):Lerp(Color3.new(1, 1, 1), 0.5)": "0.5, 0.5, 0.5",
    'BrickColor.new("Bright red")': "Bright red",
    'BrickColor.new("no such colour")': "Medium stone grey",
    "BrickColor.new(1004).Name": "Really red",
    "BrickColor.new(Color3.new(1, 0, 0))": "Really red",
    "BrickColor.Blue().Number": "23",
    "BrickColor.new(1)": "White",
    "BrickColor.new(99999)": "Medium stone grey",
    'BrickColor.new("Bright red") == BrickColor.Red()': "true",
    "ColorSequence.new(Color3.new(1, 0, 0), Color3.new(0, 0, 1))": "0 1 0 0 0 1 0 0 1 0 ",
}

SETTINGS = {
    "UDim.new(0.5, 10)": "0.5, 10",
    "UDim2.new(0.1, 10, 0, 5)": "{0.100000001, 10}, {0, 5}",
    "UDim2.fromScale(1, 1) + UDim2.fromOffset(3, 4)": "{1, 3}, {1, 4}",
    "UDim2.new():Lerp(UDim2.new(1, 100, 1, 50), 0.5)": "{0.5, 50}, {0.5, 25}",
    "UDim2.new(0.5, 1, 0.25, 2).Y.Offset": "2",
    "Rect.new(0, 0, 10, 20).Height": "20",
    "NumberRange.new(1)": "1 1 ",
    "NumberRange.new(1, 5).Max": "5",
    "NumberSequence.new(0, 1)": "0 0 0 1 1 0 ",
    "#NumberSequence.new(1).Keypoints": "2",
    "TweenInfo.new()": ("Time:1 DelayTime:0 RepeatCount:0 Reverses:False EasingDirection:Out EasingStyle:Quad"),
    "PhysicalProperties.new(1, 0.5, 0.25)": "1, 0.5, 0.25, 1, 1",
    "RaycastParams.new()": (
        "RaycastParams{IgnoreWater=false, BruteForceAllSlow=false, RespectCanCollide=false, "
        "CollisionGroup=Default, FilterDescendantsInstances={}}"
    ),
    "Ray.new(Vector3.zero, Vector3.new(0, 5, 0)).Unit": "{0, 0, 0}, {0, 1, 0}",
    "Ray.new(Vector3.zero, Vector3.xAxis):Distance(Vector3.new(5, 3, 0))": "3",
    "Region3.new(Vector3.zero, Vector3.one).Size": "1, 1, 1",
    "Font.fromEnum(Enum.Font.GothamBold).Weight": "Enum.FontWeight.Bold",
    "Axes.new(Enum.Axis.X).X": "true",
    "Faces.new(Enum.NormalId.Top).Bottom": "false",
    "PathWaypoint.new(Vector3.zero, Enum.PathWaypointAction.Jump).Action": "Enum.PathWaypointAction.Jump",
}

ENUMS = {
    "Enum.Material.Neon": "Enum.Material.Neon",
    "Enum.Material.Neon.Value": "288",
    "Enum.Material.Neon.EnumType": "Material",
    "Enum.KeyCode:FromValue(101)": "Enum.KeyCode.E",
    'Enum.KeyCode:FromName("nothing")': "nil",
    "Enum.KeyCode.Unknown == Enum.KeyCode:FromValue(0)": "true",
    "#Enum.NormalId:GetEnumItems()": "6",
    "typeof(Enum)": "Enums",
    "typeof(Enum.Material)": "Enum",
    "typeof(Enum.Material.Neon)": "EnumItem",
}

MOMENTS = {
    "DateTime.fromUnixTimestamp(1700000000):ToIsoDate()": "2023-11-14T22:13:20Z",
    'DateTime.fromIsoDate("2023-11-14T23:13:20+01:00").UnixTimestamp': "1700000000",
    'DateTime.fromIsoDate("yesterday")': "nil",
    "DateTime.fromUniversalTime(2024, 2, 29):ToUniversalTime().Day": "29",
    'DateTime.fromUniversalTime(2024, 2, 29, 15, 4):FormatUniversalTime("dddd, MMMM D, h:mm A", "en-us")': (
        "Thursday, February 29, 3:04 PM"
    ),
    "DateTime.fromUnixTimestamp(5) == DateTime.fromUnixTimestampMillis(5000)": "true",
}


def test_vectors(world: World) -> None:
    assert_expressions(world, VECTORS)


def test_frames(world: World) -> None:
    assert_expressions(world, FRAMES)


def test_colours(world: World) -> None:
    assert_expressions(world, COLOURS)


def test_sizes_sequences_and_settings(world: World) -> None:
    assert_expressions(world, SETTINGS)


def test_enums(world: World) -> None:
    assert_expressions(world, ENUMS)


def test_moments(world: World) -> None:
    assert_expressions(world, MOMENTS)


def test_random_is_the_generator_of_the_vm(world: World) -> None:
    """The engine's Random and Luau's math.random are one generator: a seed gives both the same numbers."""
    code = """
    local random = Random.new(42)
    math.randomseed(42)
    for _ = 1, 50 do
        assert(random:NextInteger(-5, 100) == math.random(-5, 100))
        assert(random:NextNumber() == math.random())
    end
    local copy = random:Clone()
    assert(copy:NextNumber() == random:NextNumber())
    local list = { 1, 2, 3, 4, 5 }
    Random.new(1):Shuffle(list)
    table.sort(list)
    print(table.concat(list), math.abs(Random.new(7):NextUnitVector().Magnitude - 1) < 1e-6)
    """
    assert_prints(world, code, ["12345 true"])


def test_the_types_of_values_are_those_of_the_engine(world: World) -> None:
    values = (
        "CFrame.new(), Color3.new(), UDim2.new(), BrickColor.Red(), TweenInfo.new(), RaycastParams.new(), Random.new()"
    )
    code = f"for _, value in {{ {values} }} do print(type(value), typeof(value)) end"
    names = ["CFrame", "Color3", "UDim2", "BrickColor", "TweenInfo", "RaycastParams", "Random"]
    assert_prints(world, code, [f"userdata {name}" for name in names])
