"""Public prompts become tasks where a run can show what they ask for; the others are left out with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.derived_misses import derived_misses
from eval.datasets.public_format import read_public
from eval.datasets.public_tasks import Wanted
from eval.domains import open_verifier
from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.items.derived_checks import derive, variants
from eval.domains.roblox.verify.verifier import World
from eval.overlap.contamination import Status, survey
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.loop import judge
from eval.records import Dataset, Outcome, Row, Task
from tests.support.settings import verifier_settings

PUBLIC = Path(__file__).resolve().parents[4] / "shared" / "data" / "public" / "vertigo-lora" / "data"

LIFECYCLE = (
    "Write a service module called LampService that follows the Init/Start lifecycle of our game. Init makes an empty "
    "table; connect to Players.PlayerAdded in Start."
)
CONFIG = (
    "Write a config module for lamps. It exports tables including LampTuning with fields like glow, reach, and wattage. "
    "Use table.freeze on all config tables."
)
BROKEN = (
    "This will cause an error when required:\n\n```luau\nlocal DoorService = {}\n\nfunction DoorService:Init()\nend\n\n"
    'function DoorService:Start()\n    print("DoorService started")\nend\n```\nRepair it.'
)
TAGGED = "Find all parts tagged with 'Lantern' in the place and report how many exist and their average Y position."
PROSE = "Design the boot order of five services that need one another."


def item(text: str, family: str) -> Row:
    return Row(text, "", "", family, kind=family, line=1)


def task(text: str, family: str) -> Task:
    found = derive(item(text, family), "")
    form = DOMAIN.families[family]
    return Task(
        "t", family, found.kind, "c", "test", text, "", form, found.reference, found.checks, worlds=found.worlds
    )  # type: ignore[arg-type]


OBSERVABLE = {"coding": (LIFECYCLE, CONFIG), "bugfix": (BROKEN,), "tools": (TAGGED,)}


@pytest.mark.parametrize("text", [text for texts in OBSERVABLE.values() for text in texts])
def test_what_a_prompt_asks_for_is_checked_and_an_answer_of_our_own_passes(world: World, text: str) -> None:
    family = next(family for family, texts in OBSERVABLE.items() if text in texts)
    made = task(text, family)
    known = judge_known_answers([made], world, DOMAIN.constant_answers, ["reference", "constant"])
    assert [answer.fault for answer in known if answer.fault] == []


WRONG = {
    "connects before Start": (
        LIFECYCLE,
        "coding",
        "local M = {}\nfunction M:Init() game.Players.PlayerAdded:Connect(print) end\nfunction M:Start() end\nreturn M",
    ),
    "connects nowhere": (LIFECYCLE, "coding", "local M = {}\nfunction M:Init() end\nfunction M:Start() end\nreturn M"),
    "is not frozen": (CONFIG, "coding", "return { LampTuning = { glow = 1, reach = 2, wattage = 3 } }"),
    "lacks a field": (CONFIG, "coding", "return table.freeze({ LampTuning = table.freeze({ glow = 1, reach = 2 }) })"),
    "returns something else": (BROKEN, "bugfix", "return {}"),
    "knows one place": (
        TAGGED,
        "tools",
        json.dumps([{"name": "run_code", "arguments": {"code": "print(2, 24)"}}]),
    ),
    "prints every number": (
        TAGGED,
        "tools",
        json.dumps([{"name": "run_code", "arguments": {"code": "for i = 0, 100 do print(i) end"}}]),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_does_something_else_fails(world: World, name: str) -> None:
    text, family, answer = WRONG[name]
    [(_, verdict)] = judge([(task(text, family), answer)], world)
    assert verdict.outcome is Outcome.WRONG


def test_a_prompt_that_names_nothing_observable_says_why() -> None:
    assert derive(item(PROSE, "architecture"), "").missing.startswith("it asks for a design")
    assert "local function" in derive(item("Mend it: ```luau\nlocal function f(x)\nend\n```", "bugfix"), "").missing
    for family in DOMAIN.families:
        found = derive(item("Hello.", family), "")
        assert (found.checks, bool(found.missing)) == ((), True)


def test_a_variant_changes_one_word_that_the_sentences_state(world: World) -> None:
    found = variants(item(TAGGED, "tools"), "f('Lantern', 'Other', 12)")
    assert [(variant.program, variant.change) for variant in found] == [
        ("f('LanternX', 'Other', 12)", "'Lantern' is 'LanternX'")
    ]
    in_code = variants(item("Mend this:\n```luau\nf('Lantern')\n```", "bugfix"), "f('Lantern')")
    assert in_code == ()


def test_a_file_whose_items_show_nothing_is_refused_with_the_reasons(tmp_path: Path) -> None:
    rows = [{"id": "a", "category": "architecture", "prompt": PROSE, "tools": None}]
    path = tmp_path / "eval.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(Refusal, match="it asks for a design"):
        read_public(path, path, Wanted(0), 0, DOMAIN)


# ------------------------------------------------------------------------------------------ the public benchmark


@pytest.fixture(scope="module")
def public() -> Dataset:
    if not PUBLIC.is_dir():
        pytest.skip("the public Roblox files are not beside the project (../shared/data)")
    return read_public(PUBLIC / "eval" / "benchmark.jsonl", PUBLIC / "raw", Wanted(0), 0, DOMAIN)


# Of the benchmark's 30 lines all but arch_01 (line 21) and the five of tool calls (lines 11 to 15).
LEAKED = set(range(1, 31)) - {11, 12, 13, 14, 15, 21}
WITH_LEAKS = ("rejection_sampled.jsonl", "teacher_distillation.jsonl")


def leaked_lines(found: Dataset) -> set[int]:
    """Return the lines of the items, measured or left out, whose prompt stands in a training row word for word."""
    measured = survey(found.tasks, found.rows).ids(Status.CONTAMINATED)
    named = [
        line for remark in found.remarks if remark.subject == "left-out items in training" for line in remark.evidence
    ]
    return {int(text.split(":")[1]) for text in (*measured, *named)}


def leaked(tasks: Sequence[Task], rows: Sequence[Row], *statuses: Status) -> int:
    return len(survey(tasks, rows).ids(*statuses))


@pytest.mark.heavy
def test_nine_of_thirty_public_prompts_show_something(public: Dataset) -> None:
    assert len(public.tasks) == 9
    assert len(public.rows) == 1887
    [left_out] = [remark for remark in public.remarks if remark.subject == "items left out"]
    assert left_out.value.startswith("21 of 30 eval items: ")
    assert len(left_out.evidence) == 21
    assert {task.split for task in public.tasks} == {"dev", "test"}


@pytest.mark.heavy
def test_seven_of_them_stand_in_the_training_rows(public: Dataset) -> None:
    assert leaked(public.tasks, public.rows, Status.CONTAMINATED) == 6
    assert leaked(public.tasks, public.rows, Status.PARTIAL) == 1


@pytest.mark.heavy
def test_with_the_items_left_out_all_twenty_four_leaked_prompts_are_named(public: Dataset) -> None:
    [leaks] = [remark for remark in public.remarks if remark.subject == "left-out items in training"]
    assert leaks.value == "18 of 21 items that are not measured stand in the training rows"
    assert leaked_lines(public) == LEAKED


@pytest.mark.heavy
@pytest.mark.parametrize(("holds_leaks", "expected"), [(True, LEAKED), (False, set())])
def test_the_two_files_that_hold_the_leaks_hold_all_of_them_and_the_others_none(
    tmp_path: Path, holds_leaks: bool, expected: set[int]
) -> None:
    if not PUBLIC.is_dir():
        pytest.skip("the public Roblox files are not beside the project (../shared/data)")
    for file in (PUBLIC / "raw").glob("*.jsonl"):
        if (file.name in WITH_LEAKS) == holds_leaks:
            (tmp_path / file.name).symlink_to(file)
    found = read_public(PUBLIC / "eval" / "benchmark.jsonl", tmp_path, Wanted(0), 0, DOMAIN)
    assert leaked_lines(found) == expected
    assert bool(survey(found.tasks, found.rows).overlaps) == holds_leaks


@pytest.mark.heavy
def test_our_answers_to_them_pass_under_every_condition_and_one_changed_value_does_not(
    public: Dataset, world: World
) -> None:
    with open_verifier(DOMAIN, verifier_settings(name="conditions", workers=1)) as verifier:
        known = judge_known_answers(public.tasks, verifier, DOMAIN.constant_answers, ["reference", "constant"])
    assert [str(answer) for answer in known if answer.fault] == []
    misses = [(task, miss.answer) for task in public.tasks for miss in derived_misses(task, DOMAIN)]
    assert len(misses) >= 12
    assert [
        task.id for (task, _), (_, v) in zip(misses, judge(misses, world), strict=True) if v.outcome is Outcome.PASSED
    ] == []


def test_a_benchmark_whose_places_are_not_public_is_refused_with_that_reason() -> None:
    path = PUBLIC / "raw" / "opengameeval_tasks.jsonl"
    if not path.is_file():
        pytest.skip("the public Roblox files are not beside the project (../shared/data)")
    with pytest.raises(Refusal, match="77 × it changes a place that is not public: that needs Studio"):
        read_public(path, path, Wanted(0), 0, DOMAIN)
