"""Facts of Roblox' API: what is stored, how it is built, and that the world reads the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from env.refusal import Refusal
from eval.domains.roblox.api import build, facts, notation
from eval.domains.roblox.api.__main__ import main
from eval.domains.roblox.api.render import luau_source
from eval.domains.roblox.verify.verifier import World
from tests.support.luau_programs import assert_prints

# The smallest export: one class, one enum whose corrections name its items, one datatype.
EXPORT = {
    "source": "s",
    "commit": "c",
    "licence": "l",
    "studio_version": "v",
    "classes": {
        "Thing": {
            "properties": {
                "Time": {"t": "time_duration"},
                "Face": {"t": "Datatype.Font"},
                "Two Words": {"t": "int"},
                "Mass": {"t": "float", "tags": ["ReadOnly"]},
            },
            "methods": {
                "Wait": {"p": [["seconds", "double"], ["how", "Way", "Way{a=1, b=2}"]], "r": ["()"], "tags": ["Yields"]}
            },
            "events": {"Ended": {}},
            "tags": ["NotCreatable"],
        }
    },
    "enums": {"Mood": ["Good", "Bad", "Other"]},
    "datatypes": {"Pair": {"constructors": {"new": {"p": [["x", "number", "0"]]}}}},
    "libraries": {},
    "globals": {},
}
CORRECTIONS = {
    "enum_values": {"Mood": "Bad=7"},
    "former_items": {"Mood": "Fine=0"},
    "enums": {"Own": "A B"},
    "optional": ["Thing.Wait.seconds"],
}


def test_the_stored_facts_are_whole_and_small() -> None:
    stored = facts.load()
    assert len(stored.classes) >= 600
    assert len(stored.enums) >= 500
    assert build.STORED.stat().st_size <= 80 * 1024
    assert "CC-BY-4.0" in stored.licence


def test_members_come_with_their_class_type_and_flags() -> None:
    stored = facts.load()
    anchored, mass = stored.member("Part", "Anchored"), stored.member("Part", "Mass")
    assert anchored is not None
    assert (anchored.owner, anchored.kind, anchored.type, anchored.is_read_only) == (
        "BasePart",
        "property",
        "boolean",
        False,
    )
    assert mass is not None
    assert mass.is_read_only
    find = stored.member("Part", "FindFirstChild")
    assert find is not None
    assert [(p.name, p.is_optional) for p in find.parameters or ()] == [("name", False), ("recursive", True)]
    assert stored.member("Part", "Explode") is None
    assert stored.member("NoSuchClass", "Name") is None


def test_inheritance_and_classes() -> None:
    stored = facts.load()
    assert stored.is_a("Part", "Instance")
    assert not stored.is_a("Part", "Model")
    assert stored.classes["Part"].is_creatable
    assert not stored.classes["BasePart"].is_creatable
    assert stored.classes["Players"].is_service


def test_values_of_enum_items() -> None:
    """They do not always count up from zero."""
    enums = facts.load().enums
    assert enums["Material"]["Neon"] == 288
    assert (enums["KeyCode"]["E"], enums["KeyCode"]["F1"]) == (101, 282)
    assert enums["UserInputType"]["Keyboard"] == 8
    assert enums["KeyCode"]["Unknown"] == enums["KeyCode"]["None"] == 0


def test_building_keeps_the_facts_and_mends_what_the_export_lacks() -> None:
    built = build.compacted(EXPORT, CORRECTIONS)
    assert built["classes"]["Thing"].splitlines() == [
        "- n",
        "Time p:string",
        "Face p:FontFace",
        "Mass p!r:float",
        "Wait m!y(seconds:double=,how:Way=)",
        "Ended e",
    ]
    assert dict(notation.read_items(built["enums"]["Mood"])) == {"Good": 0, "Bad": 7, "Other": 8, "Fine": 0}
    assert built["enums"]["Own"] == "A B"
    assert built["others"]["Pair"] == "new f(x:number=0)"


def test_a_correction_of_something_that_is_not_there_is_refused() -> None:
    wrong = {**CORRECTIONS, "optional": ["Thing.Wait.minutes"], "enum_values": {"Mood": "Ugly=3"}}
    with pytest.raises(Refusal) as caught:
        build.compacted(EXPORT, wrong)
    assert "Thing.Wait.minutes" in str(caught.value)
    assert "Mood.Ugly" in str(caught.value)


@pytest.mark.parametrize("text", ["{", json.dumps({"classes": {}})])
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, exit code 2, and the stored facts stay."""
    before = build.STORED.read_bytes()
    (tmp_path / "export.json").write_text(text, encoding="utf-8")
    assert main(["build", str(tmp_path / "export.json")]) == 2
    assert "export.json" in capsys.readouterr().err
    assert build.STORED.read_bytes() == before


def test_every_line_of_the_stored_facts_is_in_the_notation() -> None:
    """Loading reads them all; a line that is not raises."""
    members = [member for each in facts.load().classes.values() for member in each.members.values()]
    assert len(members) > 4000
    with pytest.raises(ValueError, match="not a member"):
        notation.read_member("no kind here")


def test_corrections_are_complete_enough_to_build() -> None:
    corrections = yaml.safe_load((Path(build.__file__).parent / "corrections.yaml").read_text(encoding="utf-8"))
    assert set(corrections) == set(CORRECTIONS)


def test_no_fact_holds_the_mark_that_parts_entries() -> None:
    stored = facts.load()
    texts = [*stored.class_texts.values(), *stored.enum_texts.values()]
    assert not any("\x01" in text for text in texts)
    assert luau_source(stored).count("\\1") == len(texts) + 2


def test_the_world_reads_the_same_facts(world: World) -> None:
    """Unknown, inherited, read-only and deprecated members, as a program meets them."""
    code = """
    local part = Instance.new("Part")
    print(part:IsA("BasePart"), part:IsA("Model"), pcall(Instance.new, "BasePart"))
    print(select(2, pcall(function() return part.Explode end)))
    print(select(2, pcall(function() part.Mass = 1 end)))
    print(#Enum:GetEnums(), Enum.Material.Neon.Value)
    """
    script = "ServerScriptService.Script"
    assert_prints(
        world,
        code,
        [
            f'true false false {script}:3: Unable to create an Instance of type "BasePart"',
            f'{script}:4: Explode is not a valid member of Part "Part"',
            f"{script}:5: Unable to assign property Mass. Property is read only",
            f"{len(facts.load().enums)} 288",
        ],
    )
