"""Tweens move properties in virtual time, along the engine's curves."""

from __future__ import annotations

import pytest

from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_prints

# Value halfway of each curve as it accelerates: Penner's easing functions. For Exponential and Elastic, whose
# constants differ between implementations, no figure of Studio's was at hand.
HALFWAY = {
    "Linear": "0.500000",
    "Sine": "0.292893",
    "Quad": "0.250000",
    "Cubic": "0.125000",
    "Quart": "0.062500",
    "Quint": "0.031250",
    "Circular": "0.133975",
    "Exponential": "0.030750",
    "Back": "-0.087698",
    "Bounce": "0.234375",
    "Elastic": "-0.015625",
}


def test_every_curve_halfway(world: World) -> None:
    code = """
    local tweens = game:GetService("TweenService")
    for _, style in Enum.EasingStyle:GetEnumItems() do
        local into = tweens:GetValue(0.5, style, Enum.EasingDirection.In)
        local out = tweens:GetValue(0.5, style, Enum.EasingDirection.Out)
        local ends = math.abs(tweens:GetValue(0, style, Enum.EasingDirection.InOut)) + math.abs(tweens:GetValue(1, style, Enum.EasingDirection.InOut) - 1)
        print(style.Name, string.format("%.6f", into), math.abs(into + out - 1) < 1e-9, ends < 1e-3)
    end
    """
    order = [
        "Linear",
        "Sine",
        "Back",
        "Quad",
        "Quart",
        "Quint",
        "Bounce",
        "Elastic",
        "Exponential",
        "Circular",
        "Cubic",
    ]
    assert_prints(world, code, [f"{name} {HALFWAY[name]} true true" for name in order])


PART = """
local tweens = game:GetService("TweenService")
local part = Instance.new("Part")
part.Parent = workspace
local function tween(info, goals)
    local made = tweens:Create(part, info, goals)
    made:Play()
    return made
end
"""

# name -> program after PART, its lines
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "it moves, ends on the goal, and tells": (
        """
        local made = tween(TweenInfo.new(1, Enum.EasingStyle.Linear), { Position = Vector3.new(10, 0, 0), Transparency = 1 })
        made.Completed:Connect(function(state) print(state.Name, part.Position, part.Transparency) end)
        print(made.PlaybackState.Name)
        task.wait(0.5)
        print(math.abs(part.Position.X - 5) < 0.2)
        task.wait(1)
        """,
        ["Playing", "true", "Completed 10, 0, 0 1"],
    ),
    "it waits for its delay": (
        """
        local made = tween(TweenInfo.new(1, Enum.EasingStyle.Linear, Enum.EasingDirection.In, 0, false, 1), { Transparency = 1 })
        print(made.PlaybackState.Name)
        task.wait(0.9)
        print(part.Transparency)
        task.wait(1.2)
        print(part.Transparency)
        """,
        ["Delayed", "0", "1"],
    ),
    "it repeats and comes back": (
        """
        local made = tween(TweenInfo.new(0.5, Enum.EasingStyle.Linear, Enum.EasingDirection.In, 1, true), { Transparency = 1 })
        local highest = 0
        part:GetPropertyChangedSignal("Transparency"):Connect(function() highest = math.max(highest, part.Transparency) end)
        made.Completed:Wait()
        print(part.Transparency, highest > 0.95, math.abs(time() - 2) < 0.1)
        """,
        ["0 true true"],
    ),
    "a pause holds it, a cancel leaves it where it is": (
        """
        local made = tween(TweenInfo.new(1, Enum.EasingStyle.Linear), { Transparency = 1 })
        made.Completed:Connect(function(state) print(state.Name) end)
        task.wait(0.5)
        made:Pause()
        local held = part.Transparency
        task.wait(1)
        print(held == part.Transparency, made.PlaybackState.Name)
        made:Play()
        task.wait(0.2)
        made:Cancel()
        task.wait()
        print(part.Transparency > held, part.Transparency < 1)
        """,
        ["true Paused", "Cancelled", "true true"],
    ),
    "a later tween takes the property over": (
        """
        local first = tween(TweenInfo.new(1), { Transparency = 1 })
        first.Completed:Connect(function(state) print("first", state.Name) end)
        task.wait(0.2)
        tween(TweenInfo.new(0.5), { Transparency = 0.25 })
        task.wait(1.5)
        print(part.Transparency)
        """,
        ["first Cancelled", "0.25"],
    ),
    "colours, sizes and frames move too": (
        """
        local label = Instance.new("TextLabel")
        tweens:Create(label, TweenInfo.new(1, Enum.EasingStyle.Linear), {
            BackgroundColor3 = Color3.new(1, 0, 0), Size = UDim2.new(1, 100, 0, 50), TextSize = 20,
        }):Play()
        tween(TweenInfo.new(1), { CFrame = CFrame.new(0, 5, 0) * CFrame.Angles(0, math.pi / 2, 0) })
        task.wait(1.1)
        print(label.BackgroundColor3, label.Size, label.TextSize, part.Position, math.round(part.Orientation.Y))
        """,
        ["1, 0, 0 {1, 100}, {0, 50} 20 0, 5, 0 90"],
    ),
    "user interfaces have tweens of their own": (
        """
        local frame = Instance.new("Frame")
        frame:TweenPosition(UDim2.fromScale(1, 0), Enum.EasingDirection.Out, Enum.EasingStyle.Linear, 0.5, true, function(status)
            print(status.Name, frame.Position)
        end)
        print(frame:TweenSize(UDim2.fromScale(1, 1)))
        task.wait(0.6)
        """,
        ["false", "Completed {1, 0}, {0, 0}"],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_tween(world: World, name: str) -> None:
    code, lines = PROGRAMS[name]
    assert_prints(world, PART + code, lines)
