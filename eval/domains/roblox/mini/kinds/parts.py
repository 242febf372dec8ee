"""Coding problems about parts and sounds: what they look like, where they are, how long they stay."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, find, handler, made, named_part, pascal, service
from eval.domains.roblox.mini.phrases import parts_phrases as phrases
from eval.records import NearMiss, TaskCheck

MATERIALS = ("Neon", "Wood", "Metal", "Glass", "Slate", "Sand", "Grass", "Brick", "Fabric", "Foil", "Snow", "Concrete")
LONGEST_S = 60


def vector(draw: Draw, high: int) -> tuple[dict[str, str], str]:
    """Return three numbers as slots x, y, z and as a list of arguments."""
    numbers = [str(draw.number(2, high)) for _ in range(3)]
    return dict(zip("xyz", numbers, strict=True)), ", ".join(numbers)


def part(draw: Draw) -> Problem:
    """An anchored part of a size; careless code writes the size as text or invents a property."""
    name = pascal(draw)
    slots, size = vector(draw, 999)
    sized = f"Size = Vector3.new({size})"
    return Problem(
        slots={"name": name, **slots},
        answer=named_part(name, sized, "Anchored = true"),
        outdated=(
            NearMiss(named_part(name, f'Size = "{size}"', "Anchored = true"), "a size is no text"),
            NearMiss(named_part(name, sized, "IsAnchored = true"), "there is no property IsAnchored"),
        ),
        slips=(NearMiss(named_part(name, sized, "Anchored = true", parent=""), "never put into workspace"),),
        checks=(
            TaskCheck("size", f'{find("part", name)}equal(part.Size, Vector3.new({size}), "Size")'),
            TaskCheck("anchored", f'{find("part", name)}equal(part.Anchored, true, "Anchored")'),
        ),
    )


def color(draw: Draw) -> Problem:
    """A part with a material and a colour of 0 to 255; careless code takes the constructor of 0 to 1."""
    name, material = pascal(draw), draw.stream.choice(MATERIALS)
    slots, rgb = vector(draw, 255)
    of_material = f"Material = Enum.Material.{material}"
    channels = ", ".join(
        f'near(part.Color.{key} * 255, {value}, 0.6, "Color.{key}")'
        for key, value in zip("RGB", slots.values(), strict=True)
    )
    return Problem(
        slots={"name": name, "material": material, **slots},
        answer=named_part(name, f"Color = Color3.fromRGB({rgb})", of_material),
        outdated=(
            NearMiss(named_part(name, f"Color = Color3.new({rgb})", of_material), "the channels go from 0 to 1"),
            NearMiss(named_part(name, f'BrickColor = BrickColor.new("{rgb}")', of_material), "no such brick colour"),
        ),
        slips=(NearMiss(named_part(name, f"Color = Color3.fromRGB({rgb})"), "another material"),),
        checks=(
            TaskCheck("color", find("part", name) + channels.replace(", near", "\nnear")),
            TaskCheck("material", f'{find("part", name)}equal(part.Material, Enum.Material.{material}, "Material")'),
        ),
    )


def place(draw: Draw) -> Problem:
    """A part at a point; careless code gives a CFrame property a vector or calls a model's method."""
    name = pascal(draw)
    slots, point = vector(draw, 999)
    return Problem(
        slots={"name": name, **slots},
        answer=named_part(name, f"CFrame = CFrame.new({point})"),
        outdated=(
            NearMiss(named_part(name, f"CFrame = Vector3.new({point})"), "a vector is no CFrame"),
            NearMiss(named_part(name) + f"part:MoveTo(Vector3.new({point}))\n", "a part has no MoveTo"),
        ),
        slips=(NearMiss(named_part(name, f"CFrame = CFrame.Angles({point})"), "turned, not moved"),),
        checks=(TaskCheck("position", f'{find("part", name)}equal(part.Position, Vector3.new({point}), "Position")'),),
    )


def tag(draw: Draw) -> Problem:
    """A tagged part; careless code assigns a property or mixes up the arguments."""
    name, label = pascal(draw), pascal(draw)
    swapped = f'{service("CollectionService")}:AddTag("{label}", part)\n'
    return Problem(
        slots={"name": name, "tag": label},
        answer=named_part(name) + f'part:AddTag("{label}")\n',
        outdated=(
            NearMiss(named_part(name, f'Tag = "{label}"'), "there is no property Tag"),
            NearMiss(named_part(name) + swapped, "the arguments are mixed up"),
        ),
        slips=(NearMiss(named_part(name) + f'part:SetAttribute("{label}", true)\n', "an attribute is no tag"),),
        checks=(TaskCheck("tag", f'{find("part", name)}equal(part:HasTag("{label}"), true, "HasTag")'),),
    )


def tween(draw: Draw) -> Problem:
    """A part that fades out; careless code never plays the tween or calls its service with a dot."""
    name, seconds = pascal(draw), draw.number(2, LONGEST_S)
    create = f"Create(part, TweenInfo.new({seconds}), {{Transparency = 1}})"
    tweens = service("TweenService")
    return Problem(
        slots={"name": name, "seconds": str(seconds)},
        answer=named_part(name) + f"{tweens}:{create}:Play()\n",
        outdated=(
            NearMiss(named_part(name) + f"{tweens}:{create}\n", "the tween is not played"),
            NearMiss(named_part(name) + f"{tweens}.{create}:Play()\n", "a dot for the colon"),
        ),
        slips=(NearMiss(named_part(name, "Transparency = 1"), "there is no tween"),),
        checks=(
            TaskCheck(
                "fading",
                f"{find('part', name)}step({seconds} / 2)\n"
                'expect(part.Transparency > 0.1 and part.Transparency < 0.99, "half-way it is not half transparent")\n'
                f'step({seconds} / 2 + 0.5)\nnear(part.Transparency, 1, 0.001, "Transparency in the end")',
            ),
        ),
    )


def debris(draw: Draw) -> Problem:
    """A part with a lifetime; careless code mixes up the arguments or destroys at once."""
    name, seconds = pascal(draw), draw.number(2, LONGEST_S)
    return Problem(
        slots={"name": name, "seconds": str(seconds)},
        answer=named_part(name) + f"{service('Debris')}:AddItem(part, {seconds})\n",
        outdated=(
            NearMiss(
                named_part(name) + f"{service('Debris')}:AddItem({seconds}, part)\n", "the arguments are mixed up"
            ),
            NearMiss(named_part(name) + f"part:Destroy({seconds})\n", "destroyed at once"),
        ),
        slips=(NearMiss(named_part(name), "it stays for ever"),),
        checks=(
            TaskCheck(
                "lifetime",
                f"{find('part', name)}step({seconds} - 1)\n"
                f'expect(part.Parent == workspace, "it is gone before {seconds} seconds")\n'
                f'step(1.5)\nexpect(part.Parent == nil, "it is still there after {seconds} seconds")',
            ),
        ),
    )


def trap(draw: Draw) -> Problem:
    """A part that destroys what touches it; careless code invents an event or assigns to one."""
    name = pascal(draw)
    destroy = "hit:Destroy()"
    return Problem(
        slots={"name": name},
        answer=named_part(name) + handler("part.Touched", "hit", destroy),
        outdated=(
            NearMiss(named_part(name) + handler("part.OnTouch", "hit", destroy), "there is no event OnTouch"),
            NearMiss(named_part(name) + f"part.Touched = function(hit)\n\t{destroy}\nend\n", "an event is assigned to"),
        ),
        slips=(NearMiss(named_part(name) + handler("part.Touched", "hit", "part:Destroy()"), "destroys itself"),),
        checks=(
            TaskCheck(
                "touch",
                f'{find("part", name)}local visitor = Instance.new("Part")\nvisitor.Parent = workspace\nstep(0.1)\n'
                'equal(visitor.Parent, workspace, "parent before the touch")\ntouch(part, visitor)\nstep(0.1)\n'
                'equal(visitor.Parent, nil, "parent after the touch")\n'
                'equal(part.Parent, workspace, "parent of the trap")',
            ),
        ),
    )


def points(draw: Draw) -> Problem:
    """A part that marks what touches it; careless code marks the part itself or forgets the parameter."""
    name, attribute, number = pascal(draw), pascal(draw), draw.number(2, 999)

    def touched(parameters: str, target: str, value: int = number) -> str:
        mark = f'{target}:SetAttribute("{attribute}", {value})'
        return named_part(name) + handler("part.Touched", parameters, mark)

    return Problem(
        slots={"name": name, "attribute": attribute, "number": str(number)},
        answer=touched("hit", "hit"),
        outdated=(
            NearMiss(touched("hit", "part"), "marks itself"),
            NearMiss(touched("", "hit"), "the parameter is missing"),
        ),
        slips=(NearMiss(touched("hit", "hit", number + 1), "another number"),),
        checks=(
            TaskCheck(
                "touch",
                f'{find("part", name)}local visitor = Instance.new("Part")\nvisitor.Parent = workspace\nstep(0.1)\n'
                f"{attribute_equals('visitor', attribute, 'nil', ' before the touch')}touch(part, visitor)\nstep(0.1)\n"
                f"{attribute_equals('visitor', attribute, number, ' after the touch')}",
            ),
        ),
    )


def sound(draw: Draw) -> Problem:
    """A sound of an asset; careless code gives a bare number or invents a property."""
    name, number = pascal(draw), draw.number(2, 999)

    def made_sound(setting: str) -> str:
        return made("sound", "Sound", f'Name = "{name}"', setting)

    return Problem(
        slots={"name": name, "number": str(number)},
        answer=made_sound(f'SoundId = "rbxassetid://{number}"'),
        outdated=(
            NearMiss(made_sound(f'SoundId = "{number}"'), "an id is no address of an asset"),
            NearMiss(made_sound(f'Id = "rbxassetid://{number}"'), "there is no property Id"),
        ),
        slips=(NearMiss(made_sound(f'SoundId = "rbxassetid://{number + 1}"'), "another asset"),),
        checks=(
            TaskCheck("sound", f'{find("sound", name)}equal(sound.SoundId, "rbxassetid://{number}", "SoundId")'),
            TaskCheck("class", f'{find("sound", name)}equal(sound.ClassName, "Sound", "ClassName")'),
        ),
    )


KINDS = (
    Kind("coding", "part", 1, phrases.PART, part),
    Kind("coding", "color", 2, phrases.COLOR, color),
    Kind("coding", "place", 2, phrases.PLACE, place),
    Kind("coding", "tag", 2, phrases.TAG, tag),
    Kind("coding", "tween", 3, phrases.TWEEN, tween),
    Kind("coding", "debris", 2, phrases.DEBRIS, debris),
    Kind("coding", "trap", 3, phrases.TRAP, trap),
    Kind("coding", "points", 3, phrases.POINTS, points),
    Kind("coding", "sound", 1, phrases.SOUND, sound),
)
