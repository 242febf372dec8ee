"""New instances have the properties that Studio gives them."""

from __future__ import annotations

from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_prints

# Class -> property -> what it prints.
NEW = {
    "Part": {
        "Size": "4, 1.20000005, 2",
        "Color": "0.639215708, 0.635294139, 0.647058845",
        "BrickColor": "Medium stone grey",
        "Material": "Enum.Material.Plastic",
        "Shape": "Enum.PartType.Block",
        "CanCollide": "true",
        "Anchored": "false",
        "Transparency": "0",
    },
    "TrussPart": {"Size": "2, 2, 2", "TopSurface": "Enum.SurfaceType.Universal"},
    "Humanoid": {"WalkSpeed": "16", "JumpPower": "50", "MaxHealth": "100", "Health": "100"},
    "TextLabel": {
        "Text": "Label",
        "TextSize": "8",
        "TextXAlignment": "Enum.TextXAlignment.Center",
        "BackgroundTransparency": "0",
        "Size": "{0, 0}, {0, 0}",
        "Visible": "true",
    },
    "TextButton": {"Text": "Button", "AutoButtonColor": "true", "Active": "true"},
    "ScreenGui": {"Enabled": "true", "ResetOnSpawn": "true", "IgnoreGuiInset": "false"},
    "ScrollingFrame": {"CanvasSize": "{0, 0}, {2, 0}", "ScrollBarThickness": "12"},
    "UIListLayout": {"FillDirection": "Enum.FillDirection.Vertical", "Padding": "0, 0"},
    "UIGridLayout": {"CellSize": "{0, 100}, {0, 100}", "FillDirection": "Enum.FillDirection.Horizontal"},
    "UICorner": {"CornerRadius": "0, 8"},
    "PointLight": {"Range": "8", "Brightness": "1"},
    "Sound": {"Volume": "0.5", "PlaybackSpeed": "1", "Looped": "false"},
    "ProximityPrompt": {"ActionText": "Interact", "HoldDuration": "0", "KeyboardKeyCode": "Enum.KeyCode.E"},
    "ClickDetector": {"MaxActivationDistance": "32"},
    "ParticleEmitter": {"Rate": "20", "Lifetime": "5 10 ", "Enabled": "true"},
    "Explosion": {"BlastRadius": "4", "BlastPressure": "500000"},
    "BodyVelocity": {"MaxForce": "4000, 4000, 4000", "P": "1250"},
    "SpawnLocation": {"Neutral": "true", "Duration": "10"},
    "Tool": {"RequiresHandle": "true", "CanBeDropped": "true"},
    "IntValue": {"Value": "0"},
    "StringValue": {"Value": ""},
    "BrickColorValue": {"Value": "Medium stone grey"},
}


def test_new_instances(world: World) -> None:
    lines, wanted = [], []
    for class_name, properties in NEW.items():
        lines.append(f'do local new = Instance.new("{class_name}")')
        for name, text in properties.items():
            lines.append(f'print("{class_name}.{name} = " .. tostring(new.{name}))')
            wanted.append(f"{class_name}.{name} = {text}")
        lines.append("end")
    assert_prints(world, "\n".join(lines), wanted)
