"""`tasks` shows before a run what would be measured; `judge` tells how a program fares against a task."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support import garden
from tests.support.runs import Cli


def items_file(tmp_path: Path) -> str:
    rows = [{"instruction": r.instruction, "output": r.output, "family": r.family} for r in garden.items()]
    (tmp_path / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(tmp_path / "eval.jsonl")


def test_tasks_lists_task_checks_cluster_and_split_with_the_reference_s_verdict(tmp_path: Path, cli: Cli) -> None:
    file = items_file(tmp_path)
    code, text = cli("tasks", file, "verifier.output_kb=64")
    assert code == 0
    assert "eval:1  test · scaffold-" in text or "eval:1  dev · scaffold-" in text
    assert "groups.snappy is 3" in text
    assert "reference passes" in text
    assert 'passes although "garden:flower" is "garden:flower_x"' in text
    assert "eval: 11 tasks; dev 4 tasks in 4 clusters, test 7 tasks in 7 clusters; 0 failing references" in text
    assert re.search(
        r"^selection max-t: the test tasks would form 7 clusters, and with fewer than 20", text, re.MULTILINE
    )
    assert f"next: python -m runner config profile=local model.path=FOLDER dataset=jsonl dataset.eval={file} " in text
    assert " dataset.train=TRAIN verifier.output_kb=64 --starter mine.yaml" in text, "what was told is told again"
    assert re.search(r"^judged by recorder/luajit21, isolation process\+rlimits", text, re.MULTILINE)
    code, text = cli("tasks", file, "dataset.mod_name=orchard", "--json")
    assert code == 3
    assert "next:" not in cli("tasks", file, "dataset.mod_name=orchard")[1], "what fails comes first"
    assert json.loads(text)["verifier"] == "recorder/luajit21"
    assert json.loads(text)["selection"]["choice"] == "max-t"
    assert json.loads(text)["isolation"].startswith("process+rlimits")
    assert {task["verdict"]["outcome"] for task in json.loads(text)["tasks"]} >= {"RUNTIME_ERROR", "PASSED"}


def test_tasks_reads_a_folder_and_a_file_of_any_name_and_shows_system_turns(tmp_path: Path, cli: Cli) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Make the node garden:bench."}]
    chat = {"messages": [*turns, {"role": "assistant", "content": 'core.register_node("garden:bench", {})'}]}
    (tmp_path / "a=b").mkdir()
    (tmp_path / "a=b" / "eval.jsonl").write_text(json.dumps(chat | {"family": "scaffold"}), encoding="utf-8")
    for named in (tmp_path / "a=b", tmp_path / "a=b" / "eval.jsonl"):
        code, text = cli("tasks", str(named))
        assert code == 0, text
        assert "own system turn: Be brief." in text
        assert f"'dataset.eval={named}'" in text or f"dataset.eval={named} " in text


def test_of_eval_items_alone_nothing_is_said_about_training_and_nothing_twice(tmp_path: Path, cli: Cli) -> None:
    file = Path(items_file(tmp_path))
    unmeasured = {"instruction": "Count to three.", "output": "function f() end", "family": "scaffold", "id": 7}
    file.write_text(file.read_text(encoding="utf-8") + json.dumps(unmeasured), encoding="utf-8")
    code, text = cli("tasks", str(file))
    assert code == 0, text
    assert "items left out: 1 of 12 eval items" in text
    assert text.count('eval.jsonl: "id" in 1 row') == 1
    assert "in training" not in text


def test_judge_tells_which_check_a_program_fails(tmp_path: Path, cli: Cli) -> None:
    file, program = items_file(tmp_path), tmp_path / "apple.lua"
    program.write_text(garden.items()[0].output)
    code, text = cli("judge", "eval:1", str(program), file)
    assert code == 0
    assert re.search(r"verdict: PASSED  \(recorder/luajit21, isolation process\+rlimits.*\)", text)
    program.write_text(garden.items()[0].output.replace("snappy = 3", "snappy = 1"))
    code, text = cli("judge", "eval:1", str(program), file)
    assert code == 3
    assert "✗ groups.snappy is 3  groups.snappy: expected 3, got 1" in text


def test_a_wrong_task_file_or_program_is_a_sentence(tmp_path: Path, cli: Cli) -> None:
    file = items_file(tmp_path)
    for words, said in (
        (("tasks", str(tmp_path / "none.jsonl")), "no such file"),
        (("judge", "eval:99", file, file), 'The dataset has no task "eval:99"'),
        (("judge", "eval:1", str(tmp_path / "none.lua"), file), "cannot be read"),
    ):
        code, text = cli(*words)
        assert code == 2
        assert said in text
