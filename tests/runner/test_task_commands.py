"""python -m runner tasks and data: a file to begin with, the instrument test, a task as prompted, rows looked at."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.runs import Cli


@pytest.fixture
def begun(tmp_path: Path, cli: Cli) -> Path:
    path = tmp_path / "garden.yaml"
    code, text = cli("tasks", "new", str(path), "--domain", "luanti")
    assert code == 0, text
    assert f"next: python -m runner tasks validate {path}" in text
    return path


def rows(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), encoding="utf-8"
    )
    return path


def test_a_file_to_begin_with_passes_the_instrument_test_and_is_never_written_over(begun: Path, cli: Cli) -> None:
    code, text = cli("tasks", "validate", str(begun), "--verifier", "recorder")
    assert code == 0, text
    assert "24 programs verified, 0 faults, 0 tasks skipped" in text
    before = begun.read_bytes()
    code, text = cli("tasks", "new", str(begun), "--domain", "luanti")
    assert (code, begun.read_bytes()) == (2, before)
    assert "exists already" in text


@pytest.mark.skipif(find_spec("pluau") is None, reason="Roblox: pip install luagate[roblox]")
def test_the_roblox_file_to_begin_with_is_judged_by_the_domain_s_own_verifier(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "garden.yaml"
    assert cli("tasks", "new", str(path), "--domain", "roblox")[0] == 0
    code, text = cli("tasks", "validate", str(path), "--verifier", "world")
    assert code == 0, text
    assert "28 programs verified, 0 faults, 0 tasks skipped" in text


def test_a_wrong_reference_and_an_accepted_near_miss_are_named_with_file_line_and_id(begun: Path, cli: Cli) -> None:
    text = begun.read_text(encoding="utf-8")
    begun.write_text(text.replace("light_source = 9,", "light_source = 8,", 1).replace("return #beds", "local s = 0\n            for _, b in ipairs(beds) do s = s + (b.apples or 0) end\n            return s"))  # fmt: skip
    lamp, total = (text.splitlines().index(f"  - id: garden.scaffold.{name}") + 1 for name in ("lamp", "total"))
    code, printed = cli("tasks", "validate", str(begun), "--verifier", "recorder", "--json")
    assert code == 3
    [found] = json.loads(printed)["verifiers"]
    assert any(
        fault.startswith(f"garden.yaml:{lamp} garden.scaffold.lamp: its reference is WRONG")
        for fault in found["faults"]
    )
    assert f"garden.yaml:{total} garden.scaffold.total: accepts near miss 1 (it counts the beds)" in found["faults"]


def test_the_list_of_a_task_file_needs_no_word_of_its_own(begun: Path, cli: Cli) -> None:
    listed = [json.loads(cli("tasks", *words, str(begun), "--json")[1])["tasks"] for words in ((), ("list",))]
    assert [task["id"] for task in listed[0]] == [task["id"] for task in listed[1]]
    assert {task["id"] for task in listed[0]} == {
        "garden.scaffold.lamp", "garden.scaffold.total", "garden.repair.fence", "garden.doc.jam",
    }  # fmt: skip
    assert all(task["verdict"]["outcome"] == "PASSED" for task in listed[0])


def test_bad_words_about_tasks_are_a_sentence_and_write_nothing(tmp_path: Path, cli: Cli, results: Path) -> None:
    bare = tmp_path / "bare.yaml"
    bare.write_text("- id: a\n", encoding="utf-8")
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, says in (
        (("tasks", "new", str(tmp_path / "a.yaml"), "--domain", "minetest"), 'no domain "minetest"'),
        (("tasks", "new", str(tmp_path / "a.txt"), "--domain", "luanti"), "a task file ends in .yaml"),
        (("tasks", "validate", str(tmp_path / "none.yaml")), "no such file"),
        (("tasks", "validate", str(bare)), "no task file says what it is about"),
        (("tasks", "validate", str(bare), "dataset.domain=luanti"), "bare.yaml:1 a: lacks instruction"),
        (("new", "dataset=tasks"), "dataset.eval"),
        (("data", "show", str(tmp_path / "none.jsonl")), "no such file"),
        (("data", "show", str(empty)), "holds no *.jsonl file"),
        (("data", "show", str(rows(tmp_path / "x.jsonl", {"text": "a"})), "--format", "txt"), 'no layout "txt"'),
    ):
        code, text = cli(*words)
        assert code == 2, text
        assert says in " ".join(text.split())
        assert "Traceback" not in text
    assert not results.exists()


def test_a_file_of_rows_is_shown_with_its_figures_and_every_problem_once(tmp_path: Path, cli: Cli) -> None:
    path = rows(
        tmp_path / "rows.jsonl",
        *({"prompt": f"Dig {n}.", "completion": "dig()", "license": "MIT"} for n in range(12)),
        *('{"prompt": "a", "completion": NaN}' for _ in range(7)),
        {"conversations": [{"from": "human", "value": "Dig 1."}, {"from": "gpt", "value": "dig()"}]},
    )
    code, text = cli("data", "show", str(path))
    assert code == 2, "seven lines cannot be read"
    for said in (
        "13 rows in 1 file",
        "12 completion, 1 sharegpt",
        "1 question repeated, in 1 group",
        "12 license: MIT",
        "rows.jsonl: 7 lines (13, 14, 15, 16, 17 and 2 more): holds NaN, which is no number of JSON",
    ):
        assert said in text
    found = json.loads(cli("data", "show", str(path), "--json")[1])["contents"]
    assert (found["rows"], found["broken"], len(found["samples"])) == (13, 7, 10)


def test_a_domain_says_what_a_run_would_make_of_the_rows_and_leave_out(tmp_path: Path, cli: Cli) -> None:
    chat = {
        "messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "x = 1"}],
        "category": "config",
    }
    path = rows(tmp_path / "rows.jsonl", chat | {"source": "lamps"}, chat | {"source": "devforum_qa"})
    code, text = cli("data", "show", str(path), "--domain", "roblox")
    assert code == 0, text
    assert "1 row in a run of roblox" in text
    assert "licences: rows.jsonl: 1 of 2 rows are not used" in text
    assert "a run of luanti would refuse them" in cli("data", "show", str(path), "--domain", "luanti")[1]
