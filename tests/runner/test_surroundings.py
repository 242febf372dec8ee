"""Whatever is typed, from wherever, with whatever streams and rights: the run that is meant is spoken of, or a refusal."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.runs.folder import command, find_run, remember_current, run_folders
from tests.support.run_edits import edit_json
from tests.support.runs import DEADLINE_S, PROJECT, SMOKE, Cli, environment, events, only_run, runner

# --- overrides


@pytest.mark.parametrize("text", ['gate.a.waivers.exact_leaks="two\nlines"', "seed=1\u2028", "seed=\x1b[31m1"])
def test_an_override_that_would_not_fit_on_its_line_is_refused(cli: Cli, results: Path, text: str) -> None:
    code, printed = cli("new", *SMOKE, text)
    assert code == 2
    assert "is not one line of text" in printed
    assert not results.exists()


def test_a_key_without_a_near_match_is_answered_with_its_neighbours_not_with_all_keys(cli: Cli) -> None:
    code, text = cli("new", "hydra.run.dir=x")
    assert code == 2
    assert "sampling, seed" in text
    assert "sampling.top_p" not in text


def test_a_question_does_not_end_in_a_full_stop(cli: Cli) -> None:
    assert "?." not in cli("new", "sede=1")[1]


# --- which run is meant


def test_a_current_run_that_is_gone_is_not_silently_replaced_by_another(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    other = only_run(results)
    cli("new", *SMOKE)
    gone = find_run(results, None)
    assert gone is not None
    shutil.rmtree(gone)
    code, text = cli("advance", "seed=3")
    assert code == 2, text
    assert gone.name in text
    assert "advance --run" in text
    assert events(other)[-1]["type"] == "run_created", "the other run was left alone"
    shutil.rmtree(other)
    assert find_run(results, None) is None, "without any run there is nothing to mix up"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None])
def test_without_a_remembered_run_the_newest_is_meant_whatever_its_name(
    cli: Cli, results: Path, content: bytes | None
) -> None:
    for name, created in (
        ("z", "2026-01-01T09:00:00+00:00"),
        ("a", "2026-01-01T10:30:00+01:00"),
        ("m", "2026-01-01T09:45:00+00:00"),
    ):
        cli("new", "--from-defaults", *SMOKE)
        [fresh] = [folder for folder in run_folders(results) if len(folder.name) > 1]
        edit_json(fresh / "run.json", lambda data, at=created: data.update(created_at=at))
        fresh.rename(results / name)
    current = results / ".current"
    current.unlink() if content is None else current.write_bytes(content)
    assert [folder.name for folder in run_folders(results)] == ["z", "a", "m"]
    assert find_run(results, None) == results / "m"


def test_a_renamed_run_is_called_by_its_new_name(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    only_run(results).rename(results / "renamed ü")
    assert "renamed ü" in cli("runs")[1]
    code, text = cli("status", "--run", "renamed ü")
    assert code == 0
    assert "--run 'renamed ü'" in text


def test_the_next_command_speaks_of_the_run_it_is_under(cli: Cli, results: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    cli("new", *SMOKE)
    first = only_run(results)
    assert command(first, "advance") == "python -m runner advance"
    cli("new", *SMOKE)
    assert f"next:  python -m runner advance --run {first.name}" in cli("status", "--run", first.name)[1]
    cli("new", *SMOKE, "--results", str(elsewhere))
    assert command(only_run(elsewhere), "advance") == f"python -m runner advance --run '{only_run(elsewhere)}'"
    remember_current(results, first.name)
    assert command(first, "retry") == "python -m runner retry"


def test_the_command_that_the_list_of_runs_names_exists(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    assert "python -m runner status --run NAME" in cli("runs")[1]
    assert cli("status", "--run", only_run(results).name)[0] == 0


def test_a_list_of_nothing_but_broken_runs_does_not_say_that_there_are_none(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    (only_run(results) / "run.json").write_text("[]", encoding="utf-8")
    code, text = cli("runs")
    assert code == 0
    assert "no runs yet" not in text
    assert "run.json" in text


# --- streams, places, surroundings


def test_a_results_folder_named_from_here_is_found_by_the_worker_too(tmp_path: Path) -> None:
    line = f'cd "{tmp_path}" && "$PY" -m runner advance --to A profile=smoke gate.a.machine.min_free_ram_gb=100000'
    done = shell(line, Path("from here"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert (only_run(tmp_path / "from here") / "gate_a" / "report.json").is_file()


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a space and an umlaut in its name, holding one run that has not begun."""
    results = tmp_path_factory.mktemp("res ü")
    runner("new", *SMOKE, results=results, check=True)
    return results


def shell(line: str, results: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd="/",
        env={**environment(results), "PY": sys.executable, "PYTHONPATH": str(PROJECT), **extra},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", ">/dev/full"])
@pytest.mark.parametrize("words", ["status", "runs"])
def test_a_screen_without_a_stream_is_no_crash(listed: Path, words: str, redirection: str) -> None:
    if redirection == ">/dev/full" and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(f'"$PY" -m runner {words} {redirection}', listed)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("surroundings", ["unset HOME;", "PATH=/nonexistent;", "COLUMNS=3;"])
def test_a_run_is_found_from_any_folder_in_bare_surroundings(listed: Path, surroundings: str) -> None:
    done = shell(f'{surroundings} "$PY" -m runner status', listed)
    assert done.returncode == 0, done.stderr
    assert only_run(listed).name in done.stdout
    assert "next:  python -m runner advance\n" in done.stdout


# The superuser writes everywhere, unless the process gives that right away.
AS_ANYBODY = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and shutil.which("setpriv")
    else []
)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A results folder with one run, that cannot be written to."""
    if os.geteuid() == 0 and not AS_ANYBODY:
        pytest.skip("the superuser writes everywhere, and setpriv is not installed")
    results = tmp_path / "results"
    runner("new", *SMOKE, results=results, check=True)
    folders = [results, *(path for path in results.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield results
    for folder in folders:
        folder.chmod(0o755)


def test_a_results_folder_that_is_read_only_can_be_read_and_refuses_to_be_written(read_only: Path) -> None:
    as_anybody = shlex.join(AS_ANYBODY)
    assert shell(f'{as_anybody} "$PY" -m runner status', read_only).returncode == 0
    for words in ("advance", "new profile=smoke", "report", "rewind A"):
        done = shell(f'{as_anybody} "$PY" -m runner {words}', read_only)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "not allowed to write there" in done.stderr
        assert "Traceback" not in done.stderr
