"""RobloxBench' tasks by calls and plans: references pass in both signal modes, under three seeds and in every world;
near misses, questions, constants and other tasks' answers never do."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.datasets.bench_files import read_bench
from eval.domains import open_verifier
from eval.domains.roblox import bench
from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.studio import worlds
from eval.domains.roblox.studio.tools import TOOLS
from eval.domains.roblox.studio.traversal.plan import ACTIONS
from eval.domains.roblox.verify.verifier import World
from eval.overlap.contamination import survey
from eval.pipeline.instrument import NOT_TRIED, judge_known_answers
from eval.pipeline.loop import judge
from eval.records import Outcome, Row, Task
from tests.support.settings import verifier_settings

SIMULATED = ("tools", "embodiment")
# Every task meets so many of the other tasks' references, each time others.
OTHERS = 4


@pytest.fixture(scope="module")
def tasks() -> Sequence[Task]:
    every = read_bench("robloxbench", Path(bench.__path__[0]), DOMAIN.families, DOMAIN.mod_name, worlds)
    return [task for task in every if task.family in SIMULATED]


def test_there_are_as_many_tasks_and_near_misses_as_promised(tasks: Sequence[Task]) -> None:
    counts = Counter(task.family for task in tasks)
    assert counts["tools"] >= 30
    assert counts["embodiment"] >= 15
    misses = Counter(task.family for task in tasks for _ in task.near_misses)
    assert misses["tools"] >= 60
    assert misses["embodiment"] >= 30
    assert {task.split for task in tasks} == {"dev", "test"}


def test_questions_about_a_place_are_asked_of_two_that_differ(tasks: Sequence[Task]) -> None:
    reading = [task for task in tasks if task.kind == "studio_reading"]
    assert len(reading) >= 10
    for task in reading:
        assert len(set(task.worlds)) == 2, task.id


def test_references_pass_under_every_condition(tasks: Sequence[Task]) -> None:
    with open_verifier(DOMAIN, verifier_settings(name="conditions", workers=1)) as verifier:
        known = judge_known_answers(tasks, verifier, (), ["reference"])
    assert [str(answer) for answer in known if answer.fault] == []
    unmodelled = {answer.task.id: answer.verdict.findings for answer in known if answer.verdict.findings}
    assert unmodelled == {}


def test_near_misses_and_constants_fail_by_what_they_do(tasks: Sequence[Task], world: World) -> None:
    known = judge_known_answers(tasks, world, DOMAIN.constant_answers, ["near miss", "constant"])
    assert [str(answer) for answer in known if answer.fault] == []
    assert all(a.verdict.outcome not in NOT_TRIED for a in known if a.kind == "near miss")


def soup(task: Task) -> str:
    """Return every word of the prompt through every tool or action that the task offers."""
    words = re.findall(r"\w+", f"{task.instruction} {task.reference}")
    code = f"print([==[{' '.join(words)}]==])\n" + "\n".join(f"print('{word}')" for word in words)
    given = {
        "code": code,
        "query": "e",
        "path": "Workspace",
        "property": "Name",
        "value": task.instruction,
        "limit": 99,
    }
    given |= {"paths": ["Workspace"], "parent": "Workspace", "className": "Part", "objects": [], "assetId": 1}
    offered = {tool for world in task.worlds for tool in json.loads(world).get("tools", ())}
    calls = [
        {"name": name, "arguments": {key: given[key] for key in TOOLS[name][1]["properties"] if key in given}}
        for name in sorted(offered)
    ]
    places = [name for world in task.worlds for name in json.loads(world).get("platforms", ())]
    return json.dumps(calls or [{"name": action, "arguments": {"to": name}} for name in places for action in ACTIONS])


def test_questions_prompts_and_other_answers_never_pass(tasks: Sequence[Task], world: World) -> None:
    answers = [
        (task, text) for task in tasks for text in (task.instruction, task.input, f"{task.instruction}\n{task.input}")
    ]
    answers += [(task, soup(task)) for task in tasks]
    answers += [
        (task, tasks[(at * 7 + 5 * step) % len(tasks)].reference)
        for at, task in enumerate(tasks)
        for step in range(1, OTHERS + 1)
        if tasks[(at * 7 + 5 * step) % len(tasks)].id != task.id
    ]
    outcomes = [verdict.outcome for _, verdict in judge(answers, world)]
    assert [task.id for (task, _), outcome in zip(answers, outcomes, strict=True) if outcome is Outcome.PASSED] == []
    assert Outcome.HARNESS_ERROR not in outcomes


def test_no_two_tasks_of_different_splits_ask_nearly_the_same(tasks: Sequence[Task]) -> None:
    dev = [Row(task.instruction, "", task.reference, task.family) for task in tasks if task.split == "dev"]
    found = survey([task for task in tasks if task.split == "test"], dev)
    assert [str(overlap) for overlap in found.overlaps if overlap.tier != "T2"] == []
