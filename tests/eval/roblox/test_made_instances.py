"""Items of one's own with a reference: what it makes and the prompt states is checked, by running it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.items.derived_checks import derive
from eval.domains.roblox.items.made_instances import checks_for
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.loop import judge
from eval.records import Outcome, Row, Task

ASKED = (
    "Make a Part named Lamp in Workspace: Transparency 0.5, anchored, Neon, size (4, 1, 2). Its attribute Watts is 60. "
    'In ReplicatedStorage, a StringValue called "Motto" says "Be quick".'
)
ANSWER = """local Storage = game:GetService("ReplicatedStorage")
local lamp = Instance.new("Part")
lamp.Name = "Lamp"
lamp.Transparency = 0.5
lamp.Anchored = true
lamp.Material = Enum.Material.Neon
lamp.Size = Vector3.new(4, 1, 2)
lamp.CanCollide = false
lamp:SetAttribute("Watts", 60)
lamp.Parent = workspace
local motto = Instance.new("StringValue")
motto.Name, motto.Value = "Motto", "Be quick"
motto.Parent = Storage
"""
NAMES = [
    "Part Lamp", "Transparency of Lamp", "Anchored of Lamp", "Material of Lamp", "Size of Lamp", "Parent of Lamp",
    "attribute Watts of Lamp", "StringValue Motto", "Value of Motto", "Parent of Motto",
]  # fmt: skip


def item(text: str = ASKED, answer: str = ANSWER, family: str = "coding", given: str = "") -> Row:
    return Row(text, given, answer, family, line=1)


def task(found: Row) -> Task:
    checks = derive(found, found.output).checks
    return Task("t", "coding", "k", "c", "test", found.instruction, "", "code", found.output, checks)


def outcomes(world: World, made: Task, answers: Sequence[str]) -> list[Outcome]:
    return [verdict.outcome for _, verdict in judge([(made, answer) for answer in answers], world)]


def test_what_the_prompt_states_of_what_the_reference_makes_is_checked(world: World) -> None:
    made = task(item())
    assert sorted(check.name for check in made.checks) == sorted(NAMES)
    known = judge_known_answers([made], world, DOMAIN.constant_answers, ["reference", "constant"])
    assert [answer.fault for answer in known if answer.fault] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"Lamp"', '"Lamps"'),
        ("0.5", "0.25"),
        ("Anchored = true", "Anchored = false"),
        ("Neon", "Wood"),
        ("4, 1, 2", "4, 2, 1"),
        ("60", "61"),
        ("Parent = workspace", 'Parent = game:GetService("Lighting")'),
        ("Be quick", "Be slow"),
        ("StringValue", "Folder"),
    ],
)
def test_another_value_fails(world: World, right: str, wrong: str) -> None:
    [outcome] = outcomes(world, task(item()), [ANSWER.replace(right, wrong)])
    assert outcome in (Outcome.WRONG, Outcome.RUNTIME_ERROR)


def test_another_right_answer_passes(world: World) -> None:
    other = ANSWER.replace("CanCollide = false", "CanCollide = true").replace("lamp", "thing")
    inside = f"local function build()\n{ANSWER}end\nbuild()\n"
    assert outcomes(world, task(item()), [other, inside]) == [Outcome.PASSED] * 2


def test_what_is_not_stated_or_not_certain_has_no_check() -> None:
    assert checks_for("Make something nice.", ANSWER) == ()
    assert checks_for(ASKED, f"local function later()\n{ANSWER}end\n") == ()
    assert checks_for(ASKED, f"for i = 1, 3 do\n{ANSWER}end\n") == ()
    again = ANSWER + "lamp.Transparency = 1\n"
    assert "Transparency of Lamp" not in {check.name for check in checks_for(ASKED, again)}
    assert checks_for(ASKED, "local = ") == ()


def test_an_item_that_gives_a_program_is_not_checked_by_what_that_makes() -> None:
    assert derive(item(given="print(1)"), ANSWER).checks == ()
    assert derive(item(family="bugfix"), ANSWER).checks == ()
