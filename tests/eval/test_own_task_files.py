"""Tasks of the user's own are read with checks, clusters and splits; every problem is named with file, line and id."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from env.refusal import BadSettings, Refusal
from eval.datasets.bench_files import read_bench
from eval.datasets.own_tasks.dataset import own_tasks, read_own
from eval.datasets.own_tasks.skeletons import skeleton
from eval.datasets.own_tasks.task_entries import are_tasks, said_domain
from eval.datasets.public_tasks import Wanted
from eval.datasets.task_files import write_tasks
from eval.domains import DOMAINS, domain_named
from eval.domains.luanti.domain import DOMAIN
from eval.records import Task
from tests.support.luanti import BENCH


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "family": "scaffold",
        "instruction": f"Register garden:{name}.",
        "reference": f'core.register_node("garden:{name}", {{}})',
        "checks": [{"name": "there", "lua": f'node("garden:{name}")'}],
    } | more


def write(path: Path, *entries: object, **head: str) -> Path:
    content = {**head, "tasks": list(entries)} if head else list(entries)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def read(path: Path, **wanted: Any) -> list[Task]:
    return own_tasks(path, DOMAIN, Wanted(**({"seed": 0} | wanted)))


def test_the_benchmark_of_a_domain_is_read_as_it_is_with_its_splits() -> None:
    theirs = read_bench("luantibench", BENCH, DOMAIN.families, DOMAIN.mod_name)
    mine = read(BENCH, mod_name=DOMAIN.mod_name)
    assert [replace(task, source="") for task in mine] == [replace(task, source="") for task in theirs]
    assert mine[0].source.endswith(theirs[0].source.removeprefix("luantibench/"))


@pytest.mark.parametrize("name", DOMAINS)
def test_the_file_to_begin_with_is_sound_and_has_two_clusters_in_each_split(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(skeleton(name), encoding="utf-8")
    assert said_domain(path) == name
    tasks = own_tasks(path, domain_named(name), Wanted(0))
    assert [sum(task.split == split for task in tasks) for split in ("dev", "test")] == [2, 2]
    assert all(len(task.near_misses) >= 2 for task in tasks)


def test_keys_at_the_head_hold_for_every_task_and_a_task_s_own_wins(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.yaml",
        entry("a"),
        entry("b", mod_name="shed"),
        mod_name="garden",
        cluster="lamps",
        domain="luanti",
    )
    first, second = read(path)
    assert (first.mod_name, second.mod_name, first.cluster) == ("garden", "shed", "lamps")
    assert (first.source, first.difficulty, first.answer) == ("a.yaml:5", 1, "code")


def test_a_family_is_the_task_s_own_else_the_file_s_name_else_the_configured_one(tmp_path: Path) -> None:
    bare = {key: value for key, value in entry("a").items() if key != "family"}
    assert read(write(tmp_path / "doc.yaml", bare))[0].family == "doc"
    path = write(tmp_path / "mine.yaml", bare)
    assert own_tasks(path, DOMAIN, Wanted(0, rules=replace(Wanted(0).rules, family="refactor")))[0].family == "refactor"
    with pytest.raises(Refusal, match=r'mine\.yaml:1 a: unknown family "mine"'):
        read(path)


def test_json_lines_hold_the_same_tasks_and_a_tasks_file_of_ours_is_read_whole(tmp_path: Path) -> None:
    entries = [entry(name) for name in "abcd"]
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
    of_yaml = read(write(tmp_path / "a.yaml", *entries))
    assert [replace(t, source="") for t in read(lines)] == [replace(t, source="") for t in of_yaml]
    written = tmp_path / "ours.jsonl"
    write_tasks(written, of_yaml, DOMAIN.families)
    assert read(written) == of_yaml
    assert [are_tasks(path) for path in (lines, written, tmp_path / "a.yaml", tmp_path)] == [True] * 4
    lines.write_text('{"instruction": "x", "output": "y"}\n', encoding="utf-8")
    assert not are_tasks(lines)


def test_a_split_that_is_named_holds_for_the_whole_cluster_and_the_rest_is_dealt(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.yaml",
        *(entry(name, cluster="lamps", **({"split": "test"} if name == "a" else {})) for name in "abc"),
        *(entry(name) for name in "defg"),
    )
    tasks = read(path)
    assert {task.split for task in tasks if task.cluster == "lamps"} == {"test"}
    assert {task.split for task in tasks if task.cluster != "lamps"} == {"dev", "test"}
    assert read(path) == tasks
    with pytest.raises(Refusal, match="cluster lamps: is in both splits"):
        read(write(path, entry("a", cluster="lamps", split="dev"), entry("b", cluster="lamps", split="test")))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a missing key": ({"reference": None}, "a.yaml:6 b: reference is None, not text"),
    "an unknown key": ({"refrence": "x"}, 'a.yaml:6 b: unknown key "refrence". Did you mean "reference"?'),
    "no checks": ({"checks": []}, "has no checks: every answer would pass"),
    "a check without code": ({"checks": [{"name": "x"}]}, "a.yaml:6 b: check 1 has keys ['name'], not ['lua', 'name']"),
    "an unknown split": ({"split": "train"}, "a.yaml:6 b: split is 'train'; choices: dev, test"),
    "another domain": ({"domain": "roblox"}, 'a.yaml:6 b: is of the domain "roblox"; the others are of luanti'),
    "a number for text": ({"mod_name": 7}, "a.yaml:6 b: mod_name is 7, not text"),
    "a near miss that is right": (
        {"near_misses": [{"answer": entry("b")["reference"], "why": "x"}]},
        "a near miss equals the reference",
    ),
    "an id twice": ({"id": "a", "instruction": "y"}, "id a: used by 2 tasks"),
    "a question twice": ({"instruction": entry("a")["instruction"]}, "tasks a, b: ask the same question"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_task_is_named_with_file_line_and_id(tmp_path: Path, name: str) -> None:
    more, sentence = BAD[name]
    path = write(tmp_path / "a.yaml", entry("a"), entry("b", **more))
    with pytest.raises(Refusal) as caught:
        read(path)
    line = path.read_text(encoding="utf-8").splitlines().index("- id: b" if more.get("id") != "a" else "- id: a") + 1
    assert sentence.replace("a.yaml:6 ", f"a.yaml:{line} ") in caught.value.sentence


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "not YAML": (b"- id: a\n  checks: [\n- id: b\n", r"a\.yaml:3: not YAML"),
    "a key twice": (b"- id: a\n  id: b\n", r'a\.yaml:2: the key "id" appears twice'),
    "not UTF-8": (b"- id: \xff\n", r"a\.yaml: not UTF-8 at byte 6"),
    "a control sign": (b"- id: \x00\n", r"a\.yaml.*: not YAML"),
    "no list": (b"id: a\n", r'a\.yaml: unknown key "reference"|a\.yaml: not a list of tasks'),
    "an unknown head": (b"domian: luanti\ntasks: []\n", r'a\.yaml: unknown key "domian" at its head\. Did you mean "domain"'),
    "a part of itself": (b"- id: a\n  worlds: &w\n  - x: *w\n", r"a\.yaml:2: holds itself, by an alias"),
    "nothing": (b"[]\n", "holds no tasks"),
    "no task": (b"- 7\n", r"a\.yaml:1 \(no mapping\): is not a mapping"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_holds_no_tasks_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    data, says = BAD_FILES[name]
    (tmp_path / "a.yaml").write_bytes(data)
    with pytest.raises(Refusal, match=says):
        read(tmp_path / "a.yaml")


def test_aliases_that_would_grow_without_bound_are_looked_at_once(tmp_path: Path) -> None:
    rows = ["- id: a", "  worlds:", "  - &a0 [x, x]", *(f"  - &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    (tmp_path / "a.yaml").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(Refusal, match="a: lacks instruction"):
        read(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("\n".join([*rows, "  instruction: *a59"]), encoding="utf-8")
    with pytest.raises(Refusal, match=r"a: instruction is \[\[\[.*\.\.\..*, not text"):
        read(tmp_path / "a.yaml")


def test_a_domain_that_no_file_says_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no task file says what it is about"):
        said_domain(write(tmp_path / "a.yaml", entry("a")))
    with pytest.raises(BadSettings, match="is not a file"):
        said_domain(tmp_path / "none.yaml")
    lines = tmp_path / "b.jsonl"
    lines.write_text(json.dumps(entry("a", domain="luanti")) + "\n", encoding="utf-8")
    assert said_domain(lines) == "luanti"


def test_training_rows_come_beside_and_both_files_make_the_digest(tmp_path: Path) -> None:
    tasks = write(tmp_path / "a.yaml", *(entry(name) for name in "abcd"))
    train = tmp_path / "train.jsonl"
    train.write_text('{"instruction": "x", "output": "y = 1", "family": "doc"}\n' * 2, encoding="utf-8")
    dataset = read_own(tasks, train, Wanted(0), 0, DOMAIN)
    assert (len(dataset.tasks), len(dataset.rows)) == (4, 2)
    assert read_own(tasks, train, Wanted(0), 0, DOMAIN).digest == dataset.digest
    assert read_own(tasks, train, Wanted(0, test_tasks=1), 1, DOMAIN).digest != dataset.digest
    assert read_own(tasks, tasks, Wanted(0), 0, DOMAIN).rows == ()
