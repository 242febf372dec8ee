"""A user's own items become tasks that reject what is wrong, in clusters that no split parts, under their own mod."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from eval.datasets.clustering import cluster_items, dev_clusters
from eval.datasets.derived_misses import derived_misses
from eval.domains.luanti.domain import DOMAIN
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Verifier
from eval.records import Outcome, Row, Task
from tests.support import garden
from tests.support.engine_claims import NEEDS_BUILTIN, NEEDS_ENGINE
from tests.support.luanti import build_tasks, open_verifier
from tests.support.settings import verifier_settings

ITEMS = garden.items()
TASKS = build_tasks(ITEMS).tasks


@pytest.fixture(
    scope="module",
    params=[
        "recorder",
        pytest.param("builtin", marks=list(NEEDS_BUILTIN)),
        pytest.param("engine", marks=list(NEEDS_ENGINE)),
    ],
)
def verifier(request: pytest.FixtureRequest) -> Iterator[Verifier]:
    with open_verifier(verifier_settings(name=request.param, workers=1)) as opened:
        yield opened


def test_references_of_another_mod_pass_their_checks(verifier: Verifier) -> None:
    assert len(TASKS) == len(ITEMS) == 11
    verdicts = judge([(task, task.reference) for task in TASKS], verifier)
    assert [v.detail for _, v in verdicts if v.outcome is not Outcome.PASSED] == []


@pytest.mark.parametrize("wrong", ["texture", "name", "number", "group", "item"])
def test_every_task_rejects_its_reference_with_another_value_that_the_prompt_states(
    verifier: Verifier, wrong: str
) -> None:
    changes = {
        "texture": lambda code: re.sub(r"\w+\.png", "other.png", code, count=1),
        "name": lambda code: re.sub(r'(register_\w+\("(?:garden:)?)\w+', r"\1other", code),
        "number": lambda code: re.sub(r"(light_source|stack_max|uses|cooktime|burntime|interval|chance) = \d+", r"\1 = 3", code),
        "group": lambda code: code.replace("snappy = 3, flammable", "snappy = 1, flammable").replace("gardener", "king"),
        "item": lambda code: re.sub(r"garden:(plank|dough|log|bud|soil|honey|bread|shelf)", "garden:other", code, count=1),
    }  # fmt: skip
    tried = [(task, changed) for task in TASKS if (changed := changes[wrong](task.reference)) != task.reference]
    assert len(tried) >= {"texture": 6, "name": 7, "number": 6, "group": 2, "item": 5}[wrong]
    verdicts = judge(tried, verifier)
    assert [task.id for (task, _), (_, v) in zip(tried, verdicts, strict=True) if v.outcome is not Outcome.WRONG] == []


def test_derived_wrong_answers_change_one_shared_value_and_are_rejected(verifier: Verifier) -> None:
    tried = [(task, miss) for task in TASKS for miss in derived_misses(task, DOMAIN)]
    assert {task.id for task, _ in tried} == {task.id for task in TASKS}
    verdicts = judge([(task, miss.answer) for task, miss in tried], verifier)
    passing = [
        f"{t.id}: {miss.why}" for (t, miss), (_, v) in zip(tried, verdicts, strict=True) if v.outcome is Outcome.PASSED
    ]
    assert passing == ['eval:9: "garden:flower" is "garden:flower_x"'], "what happens inside a function is not observed"


def test_another_right_answer_passes_where_the_prompt_leaves_it_free(verifier: Verifier) -> None:
    free = {
        "eval:1": 'core.register_node("garden:apple", {description = "A red one", tiles = {"garden_apple.png"}, groups = {snappy = 3}})',
        "eval:3": 'core.register_node("orchard:tall_fern", {drawtype = "plantlike", tiles = {"fern_tall.png"}})',
        "eval:6": 'core.register_craft({output = "garden:shelf 2", recipe = {{"garden:plank"}, {"garden:plank"}, {"garden:plank"}}})',
        "eval:10": 'core.register_chatcommand("harvest", {params = "", description = "Harvest all ripe plants", privs = {gardener = true}, func = print})',
    }  # fmt: skip
    verdicts = judge([(task, free[task.id]) for task in TASKS if task.id in free], verifier)
    assert [v.detail for _, v in verdicts if v.outcome is not Outcome.PASSED] == []


def test_a_diff_task_gets_wrong_diffs(verifier: Verifier) -> None:
    broken = 'core.register_node("garden:apple", {\n\ttiles = {"apple.png"}\n\tlight_source = 5,\n})'
    diff = '@@ -2 +2 @@\n-\ttiles = {"apple.png"}\n+\ttiles = {"apple.png"},\n'
    [task] = build_tasks([Row("Fix the missing comma.", broken, diff, "repair", line=1)]).tasks
    misses = derived_misses(task, DOMAIN)
    assert {miss.why for miss in misses} >= {'"apple.png" is "apple_x.png"', '"garden:apple" is "garden:apple_x"'}
    assert all(miss.answer.startswith("--- init.lua\n+++ init.lua\n@@") for miss in misses)
    outcomes = [v.outcome for _, v in judge([(task, diff), *((task, miss.answer) for miss in misses)], verifier)]
    assert outcomes == [Outcome.PASSED, *[Outcome.WRONG] * len(misses)]


# ------------------------------------------------------------------------------------------ the mod


def test_a_prompt_that_names_its_mod_fixes_it_and_another_leaves_it_to_the_program() -> None:
    assert [task.mod_name for task in TASKS if task.id in ("eval:1", "eval:2")] == ["garden", "garden"]
    assert next(task for task in TASKS if task.id == "eval:3").mod_name == ""
    assert {task.mod_name for task in build_tasks(ITEMS, mod_name="orchard").tasks} == {"orchard"}


def test_a_reference_in_a_fence_among_sentences_gives_the_same_checks() -> None:
    wrapped = [replace(item, output=f"Sure, here it is:\n```lua\n{item.output}\n```\nEnjoy.") for item in ITEMS]
    assert [task.checks for task in build_tasks(wrapped).tasks] == [task.checks for task in TASKS]


# ------------------------------------------------------------------------------------------ clusters and sizes


def fruit(line: int, name: str) -> Row:
    asked = f"Please register a node for a {name} that breaks easily and can be eaten."
    code = f'core.register_node("garden:{name}", {{tiles = {{"{name}.png"}}, groups = {{dig_immediate = 3}}}})'
    return Row(asked, "", code, "scaffold", line=line)


def test_prompts_that_differ_in_a_noun_are_one_cluster() -> None:
    names = ("cherry", "walnut", "red currant", "gooseberry")
    assert len(set(cluster_items([fruit(n, name.replace(" ", "_")) for n, name in enumerate(names, 1)]))) == 1
    spoken = [replace(fruit(n, "thing"), instruction=fruit(n, name).instruction) for n, name in enumerate(names, 1)]
    assert len(set(cluster_items(spoken))) == 1, "also where the answer does not tell which word is the noun"


def test_one_task_in_other_words_is_one_cluster() -> None:
    told = (
        "Write a node for an apple that breaks easily and feeds players.",
        "A node for an apple that feeds players, and breaks easily: write it.",
    )
    code = fruit(1, "apple").output
    first, second = cluster_items([Row(text, "", code, "scaffold") for text in told])  # fmt: skip
    assert first == second


def test_different_tasks_stay_apart() -> None:
    assert len(set(cluster_items(ITEMS))) == len(ITEMS)


def test_no_template_is_in_both_splits_and_each_has_two_clusters_where_there_are_four() -> None:
    for count in range(4, 12):
        placed = [("scaffold", f"c{n}") for n in range(count)]
        for seed in range(10):
            dev = dev_clusters(placed, seed)
            assert 2 <= len(dev) <= count - 2
    assert len(dev_clusters([("scaffold", "a"), ("scaffold", "b"), ("doc", "c"), ("doc", "d")], 0)) == 2


@pytest.mark.parametrize("wanted", [1, 3, 6])
def test_as_many_tasks_of_a_split_are_used_as_requested(wanted: int) -> None:
    whole = build_tasks(ITEMS)
    built = build_tasks(ITEMS, test_tasks=wanted)
    assert sum(task.split == "test" for task in built.tasks) == wanted
    assert set(built.tasks) < set(whole.tasks)
    [remark] = [remark for remark in built.remarks if remark.subject == "tasks used"]
    assert remark.value == f"dataset.test_tasks={wanted}: {wanted} of 7 test tasks are used"


def test_more_tasks_than_there_are_is_said_and_takes_all() -> None:
    built = build_tasks(ITEMS, dev_tasks=60)
    assert len(built.tasks) == 11
    assert [remark.value for remark in built.remarks] == ["dataset.dev_tasks=60: 4 of 4 dev tasks are used"]


def check_names(task: Task) -> set[str]:
    return {check.name for check in task.checks}


def test_a_check_says_what_it_wants() -> None:
    names = [check_names(task) for task in TASKS]
    assert {"is named garden:apple", "groups.snappy is 3"} <= names[0]
    assert "light_source is 11" in names[1]
    assert {"makes garden:shelf", 'recipe holds "garden:plank"', 'output is "garden:shelf 2"'} <= names[5]
    assert {'type is "cooking"', "cooktime is 7"} <= names[6]
