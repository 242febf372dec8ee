"""Files of others' completions: what a line may look like, and what is wrong with one that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.interop.completions import UNNAMED, read_completions

KNOWN = {"node:1": None, "node:2": None}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "completions.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_lines_of_every_layout_are_read_in_order(tmp_path):
    sample = {"text": "c", "finish": "length", "tokens": 7, "thought": None}
    file = written(
        tmp_path,
        {"task_id": "node:1", "completion": "a"},
        {"task_id": "node:1", "solution": "b", "model": "theirs"},
        {"task_id": "node:1", "completion": "d"},
        {
            "task_id": "node:2",
            "index": 4,
            "arm": "base",
            "seed": 9,
            "completion": sample,
            "candidate": {},
            "verdict": {},
        },
    )
    given = [
        (one.arm, one.task_id, one.index, one.seed, one.completion.text, one.completion.finish, one.completion.tokens)
        for one in read_completions(file, KNOWN)
    ]
    assert given == [
        (UNNAMED, "node:1", 0, 0, "a", "stop", 0),
        ("theirs", "node:1", 0, 0, "b", "stop", 0),
        (UNNAMED, "node:1", 1, 0, "d", "stop", 0),
        ("base", "node:2", 4, 9, "c", "length", 7),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"completion": "a"}, '"task_id" is missing'),
        ({"task_id": 3, "completion": "a"}, '"task_id" must be text'),
        ({"task_id": "nod:1", "completion": "a"}, r'no task "nod:1"\. Did you mean "node:1"'),
        ({"task_id": "node:1"}, "one of completion, solution must say what was written, and none does"),
        ({"task_id": "node:1", "completion": "a", "solution": "b"}, "and 2 does|and 2 do"),
        ({"task_id": "node:1", "completion": None}, '"completion" must be text, not'),
        ({"task_id": "node:1", "completion": {"tokens": 3}}, '"completion" must be text, not'),
        ({"task_id": "node:1", "completion": "a", "index": -1}, '"index" must be a number from 0'),
        ({"task_id": "node:1", "completion": "a", "arm": 5}, '"arm" must be text'),
        ("not json", "not JSON"),
        ('{"task_id": "node:1", "completion": "\\ud800"}', "half of a character"),
    ],
)
def test_a_line_that_is_no_completion_is_named_with_its_reason(tmp_path, line, said):
    file = written(tmp_path, {"task_id": "node:1", "completion": "a"}, line)
    with pytest.raises(Refusal, match=f"line 2: .*({said})"):
        read_completions(file, KNOWN)


def test_equal_problems_are_told_once_with_their_count(tmp_path):
    file = written(tmp_path, *[{"completion": "a"}] * 40)
    with pytest.raises(Refusal, match=r'line 1 and 39 other lines: "task_id" is missing\.'):
        read_completions(file, KNOWN)


def test_the_same_sample_twice_is_refused(tmp_path):
    file = written(tmp_path, *[{"task_id": "node:1", "completion": "a", "index": 2}] * 2)
    with pytest.raises(Refusal, match="two completions of node:1 with index 2"):
        read_completions(file, KNOWN)


def test_a_file_without_completions_is_refused(tmp_path):
    with pytest.raises(Refusal, match="holds no completion"):
        read_completions(written(tmp_path, ""), KNOWN)
