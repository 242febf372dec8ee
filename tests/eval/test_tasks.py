"""The tasks file: unsound tasks are refused with all their problems, sound ones survive the round trip."""

from __future__ import annotations

from dataclasses import replace

import pytest

from env.refusal import Refusal
from eval.datasets.loading import load_dataset
from eval.domains.luanti.mini.generate import tasks
from eval.records import NearMiss, Task, TaskCheck
from tests.support.luanti import problems, read_tasks, require_sound, write_tasks
from tests.support.settings import dataset_settings


@pytest.fixture
def task() -> Task:
    return tasks("dev", 1, seed=0)[0]


def test_generated_tasks_are_sound():
    assert problems((*tasks("dev", 120, seed=1), *tasks("test", 240, seed=1))) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": ""}, "has no id"),
        ({"family": "scafold"}, 'Did you mean "scaffold"?'),
        ({"split": "train"}, 'unknown split "train"'),
        ({"answer": "patch"}, 'unknown answer form "patch"'),
        ({"cluster": ""}, "has no cluster"),
        ({"instruction": " "}, "has no instruction"),
        ({"reference": "\n"}, "has no reference answer"),
        ({"checks": ()}, "has no checks"),
        ({"checks": (TaskCheck("a", ""),)}, "has an empty check"),
        ({"checks": (TaskCheck("a", "x()"), TaskCheck("a", "y()"))}, "two checks with one name"),
        ({"difficulty": 6}, "outside 1..5"),
        ({"answer": "diff", "input": ""}, "no input to apply it to"),
        ({"reference": "x", "near_misses": (NearMiss("x", "the same"),)}, "a near miss equals the reference"),
    ],
)
def test_each_fault_of_a_task_is_named(task: Task, change: dict, sentence: str):
    assert any(sentence in problem for problem in problems([replace(task, **change)]))


def test_faults_between_tasks_are_named(task: Task):
    twin = replace(task, split="test")
    found = "\n".join(problems([task, twin]))
    assert f"id {task.id}: used by 2 tasks" in found
    assert f"cluster {task.cluster}: is in both splits (dev, test)" in found
    assert "ask the same question" in found


def test_a_refusal_lists_every_problem(task: Task):
    with pytest.raises(Refusal) as refused:
        require_sound([replace(task, checks=(), reference="", family="poem")], "mine")
    assert "3 problems" in refused.value.sentence
    assert all(word in refused.value.sentence for word in ("no checks", "no reference", '"poem"'))


def test_tasks_survive_the_round_trip(tmp_path):
    written = tasks("test", 30, seed=2)
    write_tasks(tmp_path / "tasks.jsonl", written)
    assert read_tasks(tmp_path / "tasks.jsonl") == written


def test_unsound_tasks_are_not_written(tmp_path, task: Task):
    with pytest.raises(Refusal):
        write_tasks(tmp_path / "tasks.jsonl", [task, task])
    assert not (tmp_path / "tasks.jsonl").exists()


@pytest.mark.parametrize("text", ["", "{}\n", '{"schema": "luagate-tasks", "version": 2}\n', "not json\n"])
def test_a_file_without_our_header_is_refused(tmp_path, text: str):
    (tmp_path / "tasks.jsonl").write_text(text)
    with pytest.raises(Refusal, match="not a tasks file of version 1"):
        read_tasks(tmp_path / "tasks.jsonl")


@pytest.mark.parametrize("line", ["[]", "nonsense", '{"id": "a"}', '{"checks": [], "near_misses": [], "extra": 1}'])
def test_a_line_that_is_no_task_is_refused_with_its_number(tmp_path, line: str):
    (tmp_path / "tasks.jsonl").write_text(f'{{"schema": "luagate-tasks", "version": 1}}\n{line}\n')
    with pytest.raises(Refusal, match=r"tasks\.jsonl:2: not a task"):
        read_tasks(tmp_path / "tasks.jsonl")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refusal, match="no such tasks file"):
        read_tasks(tmp_path / "tasks.jsonl")


def test_an_unknown_dataset_is_refused_with_the_nearest_name():
    with pytest.raises(Refusal) as refused:
        load_dataset(dataset_settings(name="luanti_min"))
    assert refused.value.fix == 'Did you mean "luanti_mini"?'


def test_an_empty_size_is_refused_by_its_key():
    with pytest.raises(Refusal, match=r"dataset\.dev_tasks: luanti_mini needs at least 1"):
        load_dataset(dataset_settings(dev_tasks=0))


def test_shuffling_changes_rows_and_digest_but_no_task():
    plain = dataset_settings(dev_tasks=30, test_tasks=30, rows=60)
    honest, control = load_dataset(plain), load_dataset(replace(plain, shuffle_answers=True))
    assert honest.tasks == control.tasks
    assert honest.digest != control.digest
    assert control.notes


def test_public_files_that_are_not_named_are_refused_by_their_key():
    with pytest.raises(Refusal, match=r"dataset\.train, dataset\.domain: not set"):
        load_dataset(dataset_settings(name="jsonl", eval="eval.jsonl"))
