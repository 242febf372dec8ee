"""What datatypes of Roblox' world refuse, with the engine's texts: a wrong program fails where it would in the engine."""

from __future__ import annotations

from eval.domains.roblox.api.facts import load
from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_errors, assert_prints

REFUSED = {
    "return Vector3.new(1, 2, 3) + 5": "attempt to perform arithmetic (add) on Vector3 and number",
    "return Vector3.one.Length": "Length is not a valid member of Vector3",
    "return Vector3.one:Dot(5)": "invalid argument #2 to 'Dot' (Vector3 expected, got number)",
    "return Vector3.one.Dot(5, Vector3.one)": "Expected ':' not '.' calling member function Dot",
    "return Vector3.new({})": "invalid argument #1 to 'new' (number expected, got table)",
    "return CFrame.new() * 5": "invalid argument #2 (Vector3 expected, got number)",
    "return CFrame.new() + 5": "invalid argument #2 (Vector3 expected, got number)",
    "return CFrame.new().Angle": "Angle is not a valid member of CFrame",
    "CFrame.new().Position = Vector3.zero": "Position cannot be assigned to",
    "Vector3.one.X = 2": "X cannot be assigned to",
    "Color3.new().R = 1": "R cannot be assigned to",
    "return CFrame.new().Lerp(1, 2, 3)": "Expected ':' not '.' calling member function Lerp",
    'return Color3.fromHex("red")': "Unable to convert characters to hex value",
    'return TweenInfo.new(1, "Linear")': "TweenInfo.new second argument expects an EasingStyle enum value.",
    "return UDim2.new() + UDim.new()": "invalid argument #2 (UDim2 expected, got UDim)",
    "return NumberRange.new(5, 1)": "NumberRange: invalid range",
    "return NumberSequence.new({ NumberSequenceKeypoint.new(0, 1) })": (
        "NumberSequence: requires at least 2 keypoints"
    ),
    "return ColorSequence.new({ ColorSequenceKeypoint.new(0.5, Color3.new()), "
    "ColorSequenceKeypoint.new(1, Color3.new()) })": "ColorSequence: must start at time=0.0",
    "RaycastParams.new().Filter = 1": "Filter is not a valid member of RaycastParams",
    "return Enum.Material.Stone": 'Stone is not a valid member of "Enum.Material"',
    "return Enum.Materials": 'Materials is not a valid member of "Enum"',
    "return Random.new(1):NextInteger(5, 1)": "invalid argument #2 to 'NextInteger' (interval is empty)",
    "return DateTime.fromUniversalTime(2024, 13)": "DateTime.fromUniversalTime: the values are out of range",
}


def test_what_is_refused(world: World) -> None:
    assert_errors(world, REFUSED)


def test_no_value_can_be_changed_or_looked_behind(world: World) -> None:
    """A datatype's metatable and its constructors are out of a program's reach."""
    code = """
    print(getmetatable(CFrame.new()), getmetatable(Vector3.one), getmetatable(Enum.Material.Neon))
    print((pcall(function() CFrame.new = nil end)), (pcall(setmetatable, Vector3, {})), (pcall(rawset, Color3, "new", 1)))
    """
    locked = "The metatable is locked"
    assert_prints(world, code, [f"{locked} {locked} {locked}", "false false false"])


JUNK = '{ 5, "x", {}, true, Vector3.one, CFrame.identity, Color3.new(), UDim2.new(), Enum.Material.Neon, workspace, print, 0 / 0 }'


def test_junk_in_any_argument_raises_an_error_of_the_engine_not_of_this_world(world: World) -> None:
    """An error with a line of the world's own files would be a fault of ours that a program could see."""
    types = [name for name, members in load().others.items() if "new" in members and name.isalnum()]
    code = f"""
    local junk = {JUNK}
    local calls = 0
    local function try(name, f, ...)
        local ok, problem = pcall(f, ...)
        calls += 1
        if not ok and string.find(tostring(problem), "engine:", 1, true) then print(name, problem) end
    end
    for name, library in {{ {", ".join(f"{name} = {name}" for name in types)} }} do
        for key, f in library do
            if type(f) ~= "function" or key == "new" and name == "Instance" or key == "palette" then continue end
            try(name, f)
            for at, first in junk do
                local second, third = junk[at % #junk + 1], junk[(at * 5) % #junk + 1]
                try(name, f, first)
                for _, other in junk do try(name, f, first, other, second, third) end
            end
        end
    end
    print(calls > 5000)
    """
    assert_prints(world, code, ["true"])
