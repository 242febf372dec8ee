"""Tool trajectories to train on: every one executed, none like a benchmark task, in name, number or wording."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.datasets.bench_files import read_bench
from eval.dealing.checked_rows import CheckedRow, task_of
from eval.domains.roblox import bench
from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.rows.trajectories.dealing import dealt, rows, seeds
from eval.domains.roblox.rows.trajectories.seed_files import filled, read_seeds
from eval.domains.roblox.studio import worlds
from eval.domains.roblox.studio.tools import TOOLS
from eval.domains.roblox.verify.verifier import World
from eval.overlap.contamination import survey
from eval.pipeline.forms.calls import find_calls
from eval.pipeline.loop import judge
from eval.records import Outcome, Task

COUNT = 300
# Numbers up to this count things; larger ones would give an answer away.
SMALL = 25
# Every seed meets the answers of so many others.
OTHERS = 8
SERVICES = {"Workspace", "ReplicatedStorage", "ServerStorage", "ServerScriptService", "StarterGui"}


@pytest.fixture(scope="module")
def trajectories() -> tuple[CheckedRow, ...]:
    return dealt(COUNT, 0)


@pytest.fixture(scope="module")
def tasks() -> Sequence[Task]:
    every = read_bench("robloxbench", Path(bench.__path__[0]), DOMAIN.families, DOMAIN.mod_name, worlds)
    return [task for task in every if task.family == "tools"]


def test_every_trajectory_passes_its_checks(trajectories: Sequence[CheckedRow], world: World) -> None:
    made = [task_of(trajectory, number, "") for number, trajectory in enumerate(trajectories)]
    verdicts = [verdict for _, verdict in judge([(task, task.reference) for task in made], world)]
    assert [
        (task.cluster, verdict.detail)
        for task, verdict in zip(made, verdicts, strict=True)
        if verdict.outcome is not Outcome.PASSED
    ] == []


def test_the_answer_of_another_seed_never_passes(trajectories: Sequence[CheckedRow], world: World) -> None:
    made = [task_of(trajectory, number, "") for number, trajectory in enumerate(trajectories[: len(seeds())])]
    others = [made[(at + step) % len(made)] for at in range(len(made)) for step in range(1, OTHERS + 1)]
    foreign = [
        (task, other.reference) for task, other in zip((t for t in made for _ in range(OTHERS)), others, strict=True)
    ]
    outcomes = [verdict.outcome for _, verdict in judge(foreign, world)]
    assert Outcome.HARNESS_ERROR not in outcomes
    assert [task.id for (task, _), outcome in zip(foreign, outcomes, strict=True) if outcome is Outcome.PASSED] == []


def test_all_tools_but_one_and_both_modes_are_taught(trajectories: Sequence[CheckedRow]) -> None:
    used = {call.name for trajectory in trajectories for call in find_calls(trajectory.row.output).calls}
    assert set(TOOLS) - used == {"execute_luau"}  # another name of run_code
    modes = {json.loads(trajectory.worlds[0]).get("mode", "edit") for trajectory in trajectories}
    assert modes == {"edit", "play"}
    assert {trajectory.row.kind for trajectory in trajectories} == {"studio_asking", "studio_making", "studio_playing"}


def test_no_trajectory_is_near_a_benchmark_task(trajectories: Sequence[CheckedRow], tasks: Sequence[Task]) -> None:
    found = survey(tasks, [trajectory.row for trajectory in trajectories])
    assert [str(overlap) for overlap in found.overlaps] == []
    assert found.row_duplicates == ()
    assert not {task.cluster for task in tasks} & {trajectory.row.cluster for trajectory in trajectories}


def names(data: Any) -> Iterator[str]:
    """Yield the names that a world gives: of instances, attributes, tags and assets."""
    for entry in data if isinstance(data, list) else []:
        title = entry if isinstance(entry, str) else next(iter(entry))
        given = {} if isinstance(entry, str) else entry[title] or {}
        yield title.split(" ", 1)[-1]
        yield from given.get("Attributes", {})
        yield from given.get("Tags", ())
        yield from names(given.get("Children"))


def names_of(world: str) -> set[str]:
    return {name for children in json.loads(world)["tree"].values() for name in names(children)}


def test_no_name_is_one_of_the_benchmark(tasks: Sequence[Task]) -> None:
    asked = {name for task in tasks for text in task.worlds for name in names_of(text)}
    taught = {name for trajectory in dealt(3 * COUNT, 1) for name in names_of(trajectory.worlds[0])}
    assert (asked & taught) - SERVICES == set()


def numbers(*texts: str) -> set[float]:
    return {float(text) for text in re.findall(r"\d+(?:\.\d+)?", " ".join(texts)) if float(text) > SMALL}


def test_no_larger_number_is_one_of_the_benchmark(tasks: Sequence[Task]) -> None:
    asked = {number for task in tasks for number in numbers(task.instruction, task.reference, *task.worlds)}
    taught = {n for each in dealt(3 * COUNT, 1) for n in numbers(each.row.instruction, each.row.output, each.worlds[0])}
    assert asked & taught == set()


def test_rows_follow_from_number_and_seed() -> None:
    assert rows(100, 3) == rows(200, 3)[:100]
    assert rows(100, 3) != rows(100, 4)
    with pytest.raises(Refusal, match="the seeds give"):
        rows(10**5, 0)


def test_slots_are_filled_in_texts_keys_and_lists_and_keep_their_type() -> None:
    values = {"tag": "Relay", "n": 7}
    assert filled({"$tag": ["${tag}s", "$n", 3]}, values) == {"Relay": ["Relays", 7, 3]}
    with pytest.raises(KeyError):
        filled("$lid", values)


def test_a_seed_that_is_not_whole_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- {name: x, tools: [fly], calls: [{run_code: {}}], colour: 1}\n")
    with pytest.raises(Refusal) as caught:
        read_seeds(tmp_path)
    for expected in ("a.yaml x: lacks asks", "unknown key colour", "unknown tool fly", "calls run_code, which it does"):
        assert expected in caught.value.sentence
