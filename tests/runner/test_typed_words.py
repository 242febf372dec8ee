"""Words that nobody types on purpose: empty ones, names that no file system takes, files in place of folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.runs.folder import run_folders
from tests.support.runs import Cli

TOO_LONG = "x" * 300
# every command that takes a path, with X in its place
WITH_A_PATH = (
    "tasks X",
    "judge eval:1 X README.md",
    "judge eval:1 README.md X",
    "config --config X",
    "config --starter X",
    "new --config X",
    "new --from-defaults --results X",
    "new --from-defaults profile=local model.path=X",
    "new --from-defaults dataset=jsonl dataset.eval=X dataset.train=X",
    "doctor --config X",
    "advance --config X --dry-run",
    "advance --run X",
    "tmux --detach --run X",
    "export --to X --run X",
    "lock --against X",
    "lock --write X",
    "runs --results X",
    "status --results X",
    "report X",
    "compare X X",
)


def refused(cli: Cli, *words: str) -> str:
    code, text = cli(*words)
    assert code == 2, text
    assert "Traceback" not in text
    assert text.startswith("✗ ")
    assert text.count("\n") <= 2, "a sentence and what to do"
    return text


@pytest.mark.parametrize("command", WITH_A_PATH)
def test_a_name_too_long_for_any_disk_is_a_sentence(cli: Cli, command: str) -> None:
    refused(cli, *command.replace("X", TOO_LONG).split())


# an answer from a pipe has a way of its own; a report, a run or an adapter is no file that is read
READ = [
    command for command in WITH_A_PATH if command.split()[0] in ("tasks", "judge", "config", "new", "doctor", "lock")
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", [*READ, "new --from-defaults verifier.engine=X"])
def test_a_pipe_is_refused_and_not_waited_for(cli: Cli, command: str, results: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(cli, *command.replace("X", str(tmp_path / "pipe")).split())
    assert not run_folders(results)


def test_a_file_among_the_rows_of_a_folder_may_not_be_a_pipe_either(cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.jsonl")
    assert "rows.jsonl is a device or a pipe" in refused(cli, "tasks", str(tmp_path))


@pytest.mark.parametrize("words", [("tasks", ""), ("report", ""), ("rewind", "A", "--run", ""), ("status", "--run=")])
def test_an_empty_word_does_not_mean_the_default(cli: Cli, words: tuple[str, ...]) -> None:
    assert "variable of the shell" in refused(cli, *words)


@pytest.mark.parametrize("words", [("lock", "--write", "a\nb"), ("runs", "--results", "a\x1b[31mb"), ("tasks", "a\tb")])
def test_a_control_character_in_a_name_reaches_no_file_and_no_terminal(
    cli: Cli, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = refused(cli, *words)
    assert "a control character" in text
    assert words[-1] not in text


def test_a_file_is_no_folder_of_runs(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (str(tmp_path / "file"), "/dev/null"):
        for command in ("runs", "status", "new"):
            assert "is a file, not a folder of runs" in refused(cli, command, "--results", place)


def test_no_run_is_made_of_an_empty_file(cli: Cli, results: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    files = [f"dataset.{key}={tmp_path}/rows.jsonl" for key in ("eval", "train")]
    assert "rows.jsonl holds no rows" in refused(cli, "new", "dataset=jsonl", *files)
    assert not run_folders(results)


def test_the_lock_that_was_written_is_named_as_a_shell_reads_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "my locks").mkdir()
    code, text = cli("lock", "--write", str(tmp_path / "my locks" / "here.txt"))
    assert code == 0
    assert f"pip install -c '{tmp_path}/my locks/here.txt'" in text
