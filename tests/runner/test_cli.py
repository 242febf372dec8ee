"""The command line: bad input is one sentence and exit 2, and nothing is written or lost by it."""

from __future__ import annotations

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from env.locking import RunLock
from runner.runs.folder import Run, run_folders
from runner.runs.journal import EventType
from tests.support.runs import Cli


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(outcome: tuple[int, str], *words: str) -> None:
    code, text = outcome
    assert code == 2, text
    assert "Traceback" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "sede=1"], ["sede", '"seed"']),
        (["new", "profile=tinny"], ["profile=tinny", '"tiny"']),
        (["new", "backend=mlxx"], ["backend=mlxx", '"mlx"']),
        (["new", "seed=x"], ["seed", "integer"]),
        (["new", "dataset=jsonl"], ["dataset", "eval=FILE"]),
        (["new", "nonsense"], ["nonsense", "key=value"]),
        (["advance", "--to", "F"], ["F", "A, B, C, D, E"]),
        (["rewind", "Z"], ["Z", "A, B, C, D, E"]),
        (["status", "--run", "nowhere"], ["nowhere"]),
        (["status"], ["no run", "advance"]),
        (["retry"], ["no run", "advance"]),
        (["report"], ["no run", "advance"]),
        (["config", "model.pth"], ["model.pth", '"model.path"']),
        (["advanse"], ["advanse"]),
        (["status", "--jsn"], ["--jsn"]),
    ],
)
def test_bad_input_is_a_sentence_with_the_key_and_writes_nothing(
    cli: Cli, results: Path, arguments: list[str], words: list[str]
) -> None:
    refused(cli(*arguments), *words)
    assert not results.exists()


def test_new_makes_a_run_that_status_shows_as_ready(cli: Cli, results: Path) -> None:
    code, text = cli("new", "profile=smoke")
    assert code == 0
    assert "python -m runner advance" in text
    [folder] = run_folders(results)
    code, text = cli("status")
    assert code == 0
    assert folder.name in text
    assert json.loads(cli("status", "--json")[1])["state"] == "a_ready"
    assert not [path for path in results.iterdir() if path.name.endswith(".new")]


def test_a_second_new_becomes_the_current_run_and_the_first_stays(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    cli("new", "profile=smoke", "seed=5")
    assert len(run_folders(results)) == 2
    assert cli("config", "seed")[1].strip() == "5"
    assert len(json.loads(cli("runs", "--json")[1])) == 2


def test_runs_without_any_run_says_so(cli: Cli) -> None:
    code, text = cli("runs")
    assert code == 0
    assert "run" in text


def test_config_diff_shows_only_what_differs(cli: Cli) -> None:
    cli("new", "profile=smoke", "seed=7")
    shown = json.loads(cli("config", "--diff", "--json")[1])
    assert shown["seed"] == "0 -> 7"
    assert "rule.margin_pp" not in shown


def test_config_without_a_run_is_what_advance_would_use(cli: Cli) -> None:
    assert cli("config", "rule.margin_pp")[1].strip() == "15.0"
    assert cli("config", "rule.margin_pp", "--with", "rule.margin_pp=7")[1].strip() == "7"


def test_an_override_on_a_run_that_has_not_begun_is_taken(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    [folder] = run_folders(results)
    from runner.changing.edits import change_config

    assert change_config(folder, ["seed=9"]) == []
    assert cli("config", "seed")[1].strip() == "9"
    assert (folder / "config.1.yaml").is_file(), "the former configuration is kept"
    assert Run.open(folder).journal.events[-1].type == EventType.CONFIG_CHANGED


def test_a_run_of_an_older_schema_is_refused_and_left_alone(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    [folder] = run_folders(results)
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps({**info, "schema_version": 0}), encoding="utf-8")
    before = snapshot(results)
    for command in ("status", "advance", "retry", "report"):
        refused(cli(command), "schema_version", "0")
    assert snapshot(results) == before


def test_a_damaged_journal_is_refused_by_its_line_and_left_alone(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    [folder] = run_folders(results)
    journal = folder / "events.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8") + '{"seq": 2}\n', encoding="utf-8")
    before = snapshot(results)
    refused(cli("status"), "events.jsonl, line 2")
    refused(cli("advance"), "events.jsonl, line 2")
    assert snapshot(results) == before


def test_an_impossible_history_is_refused_by_its_line(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    [folder] = run_folders(results)
    line = {"seq": 2, "at": "2026-01-01T00:00:00+00:00", "type": "gate_passed", "gate": "c", "data": {}}
    with (folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    refused(cli("status"), "line 2", "gate_passed c is not possible in state a_ready")


def test_one_broken_run_does_not_hide_the_others(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    cli("new", "profile=smoke")
    broken, whole = run_folders(results)
    (broken / "events.jsonl").write_text("nonsense\n", encoding="utf-8")
    code, text = cli("runs")
    assert code == 0
    assert whole.name in text
    assert "events.jsonl, line 1" in text


def test_advancing_a_run_that_another_process_holds_is_refused_with_who(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    [folder] = run_folders(results)
    with RunLock(folder / "run.lock"):
        code, text = cli("advance")
    assert code == 4
    assert f"pid {os.getpid()}" in text


def test_a_results_folder_that_cannot_be_written_is_refused(cli: Cli, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    refused(cli("new", "--results", str(blocked / "results")), "results")
    assert blocked.read_text(encoding="utf-8") == "in the way"


def test_there_is_nothing_to_retry_before_anything_ran(cli: Cli) -> None:
    cli("new", "profile=smoke")
    refused(cli("retry"), "nothing to retry")


def test_a_gate_that_was_not_reached_cannot_be_rewound(cli: Cli) -> None:
    cli("new", "profile=smoke")
    refused(cli("rewind", "C"), "Gate C has not been reached")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", ["eval.jsonl", "holds no rows"]),
        ('{"instruction": "x", "input": "", "output": "y", "family": "scaffold"}\nnot json\n', ["line 2"]),
        ('{"instruction": "x", "input": "", "output": "y", "family": "scafold"}\n', ["line 1", "scafold", "scaffold"]),
        ('{"instruction": "x", "input": "", "output": "y"}\n', ["its one row looks like", "without family"]),
        ('{"instruction": 3, "input": "", "output": "y", "family": "doc"}\n', ["line 1", "instruction"]),
    ],
)
def test_a_broken_dataset_is_refused_by_its_line(
    cli: Cli, results: Path, tmp_path: Path, lines: str, words: list[str]
) -> None:
    path = tmp_path / "eval.jsonl"
    path.write_text(lines, encoding="utf-8")
    overrides = ["profile=smoke", "dataset=jsonl", f"dataset.eval={path}", f"dataset.train={path}"]
    refused(cli("doctor", *overrides), *words)
    refused(cli("advance", *overrides), *words)
    # a file without rows begins no run at all
    assert len(run_folders(results)) == bool(lines)
    assert not list(results.glob("*/gate_a/report.json"))


def test_a_missing_dataset_file_is_refused_by_its_key(cli: Cli, results: Path) -> None:
    overrides = ["profile=smoke", "dataset=jsonl", "dataset.eval=no/such.jsonl", "dataset.train=no/such.jsonl"]
    for command in ("advance", "new"):
        refused(cli(command, *overrides), "dataset.eval", "no/such.jsonl")
    assert not results.exists(), "no run was begun"


def test_a_folder_that_is_no_model_is_refused_by_what_is_missing(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "empty-model"
    folder.mkdir()
    refused(cli("advance", "profile=smoke", "model=local", f"model.path={folder}"), "config.json")


@pytest.mark.parametrize(("backend", "library"), [("unsloth", "unsloth"), ("mlx", "mlx_lm")])
def test_a_backend_that_is_not_installed_is_refused_with_the_install_line(cli: Cli, backend: str, library: str) -> None:
    if find_spec(library) is not None:
        pytest.skip(f"{library} is installed here")
    refused(cli("advance", "profile=smoke", f"backend={backend}"), backend, "not installed")


def test_doctor_shows_checks_with_what_was_expected(cli: Cli) -> None:
    code, text = cli("doctor", "profile=smoke")
    assert code == 0, text
    assert "python" in text
    checks = json.loads(cli("doctor", "profile=smoke", "--json")[1])
    assert {"python", "disk", "references", "exact leaks"} <= {check["name"] for check in checks}


def test_doctor_prints_what_it_saw_before_a_part_that_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "eval.jsonl"
    path.write_text("", encoding="utf-8")
    broken = ["profile=smoke", "dataset=jsonl", f"dataset.eval={path}", f"dataset.train={path}"]
    code, text = cli("doctor", *broken)
    assert code == 2
    assert "python" in text.split("holds no rows")[0]
    code, text = cli("doctor", *broken, "--json")
    assert code == 2
    checks, _ = json.JSONDecoder().raw_decode(text)
    assert {"python", "disk"} <= {check["name"] for check in checks}


def test_doctor_says_no_when_the_machine_lacks_what_the_profile_requires(cli: Cli) -> None:
    code, text = cli("doctor", "profile=smoke", "gate.a.machine.min_free_ram_gb=100000")
    assert code == 3
    assert re.search(r"memory.*100000", text, re.DOTALL)


def test_every_summary_of_the_help_screen_is_complete_at_80_columns() -> None:
    from typer.main import get_command

    from runner.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    longest = max(map(len, commands))
    too_long = {
        name: first
        for name, command in commands.items()
        if len(first := command.help.splitlines()[0]) > 80 - longest - 4 or not first.endswith(".")
    }
    assert not too_long
