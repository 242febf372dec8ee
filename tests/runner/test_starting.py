"""The first words that are typed: help, version, completion; results folders, full disks, folders that are gone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from env.installed import invocation
from env.installed.version import VERSION
from env.machine.source import Source, source
from runner.runs.locations import results_folder, usual_results
from tests.support.runs import PROJECT, Cli, environment, only_run


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_bare_and_asked_for_help_are_the_same_and_no_error(cli: Cli, words: list[str]) -> None:
    code, text = cli(*words)
    assert code == 0
    assert text.startswith("Usage: ")
    assert "advance" in text


@pytest.mark.parametrize("command", ["advance", "new", "config", "status", "runs"])
def test_every_command_explains_itself_by_the_short_option_too(cli: Cli, command: str) -> None:
    code, text = cli(command, "-h")
    assert code == 0
    assert cli(command, "--help")[1] == text


def test_the_version_is_said(cli: Cli) -> None:
    code, text = cli("--version")
    assert code == 0
    assert text.startswith(f"luagate {VERSION}")


def test_a_shell_is_given_completion_for_the_installed_name() -> None:
    def typed(command: str, **more: str) -> str:
        # two commands: bash stays the parent, by which typer knows the shell
        done = subprocess.run(
            ["bash", "-c", f"'{sys.executable}' -m luagate {command}; exit $?"],
            cwd=PROJECT,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "_LUAGATE_COMPLETE=complete_bash" in typed("--show-completion")
    completed = typed("", _LUAGATE_COMPLETE="complete_bash", COMP_WORDS="luagate rej", COMP_CWORD="1")
    assert completed.split() == ["rejudge"]


# --- where results lie


@pytest.mark.parametrize("way", ["variable", "option"])
def test_a_results_folder_below_the_home_folder_is_found(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if way == "variable":
        monkeypatch.setenv("LUAGATE_RESULTS", "~/mine")
    words = ["--results=~/mine"] if way == "option" else []
    code, text = cli("new", "profile=smoke", *words)
    assert code == 0, text
    only_run(tmp_path / "mine")
    assert not (tmp_path / "~").exists()
    if way == "variable":
        assert usual_results() == tmp_path / "mine"
        assert text.endswith("next: python -m runner advance\n")


def test_the_home_folder_of_nobody_is_refused(cli: Cli) -> None:
    code, text = cli("runs", "--results", "~nobody-of-this-name/x")
    assert code == 2
    assert "no home folder" in text
    assert results_folder("x") == Path.cwd() / "x"


# --- nowhere to write, nowhere to stand


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["runs --json", "status --json", "config --json", "config"])
def test_output_that_cannot_be_written_is_a_sentence(cli: Cli, results: Path, words: str) -> None:
    cli("new", "profile=smoke")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *words.split()],
            cwd=PROJECT, env=environment(results), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("words", [["runs", "--results", "results"], ["new", "profile=smoke"], ["config", "seed"]])
def test_a_command_in_a_folder_that_is_gone_is_a_sentence_or_works(tmp_path: Path, words: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); from runner.cli import main; raise SystemExit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=PROJECT, env=environment(tmp_path / "r") | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)
    assert done.returncode == 0 or "The folder that you are in was deleted." in done.stderr


# --- what it is called where it is read


def form(monkeypatch: pytest.MonkeyPatch, program: Path, path: Path, python: Path | None = None) -> str:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(path))
    if python is not None:
        monkeypatch.setattr(sys, "executable", str(python))
    return invocation.start_form()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """An environment's folder of programs."""
    folder = tmp_path / "an environment" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "python3", "luagate"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_command_is_called_as_it_was_started(monkeypatch: pytest.MonkeyPatch, programs: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(invocation, "ROOT", tmp_path)
    installed, module = programs / "luagate", programs.parent / "site" / "luagate" / "__main__.py"
    checkout = tmp_path / "runner" / "__main__.py"
    python, elsewhere = programs / "python", tmp_path
    assert form(monkeypatch, installed, programs) == "luagate"
    assert form(monkeypatch, installed, elsewhere) == f"'{installed}'", "not on the shell's path: named in full"
    assert form(monkeypatch, module, programs, python) == "luagate"
    assert form(monkeypatch, module, elsewhere, python) == f"'{python}' -m luagate"
    assert form(monkeypatch, checkout, programs, python) == "python -m runner"
    (programs / "python").unlink()
    assert form(monkeypatch, checkout, programs, programs / "python3") == "python3 -m runner"
    other = tmp_path / "other"
    other.mkdir()
    shim = other / "python"
    shim.write_text("#!/bin/sh\n")
    shim.chmod(0o755)
    assert form(monkeypatch, checkout, other, programs / "python3") == f"'{programs}/python3' -m runner"


def test_what_is_written_for_a_person_names_commands_as_they_were_started(
    monkeypatch: pytest.MonkeyPatch, programs: Path
) -> None:
    form(monkeypatch, programs / "luagate", programs)
    assert (
        invocation.as_started("`python -m runner advance`, or `python -m runner new`")
        == "`luagate advance`, or `luagate new`"
    )
    assert invocation.start_command() == [sys.executable, "-m", "luagate"]


def test_a_module_that_is_a_command_is_named_as_it_works_where_it_is_read(
    monkeypatch: pytest.MonkeyPatch, programs: Path, tmp_path: Path
) -> None:
    written = "`python -m eval.datasets validate` and `python -m training.tiny_random`, not python -m venv"
    form(monkeypatch, programs / "luagate", programs)
    installed = "`luagate -m eval.datasets validate` and `luagate -m training.tiny_random`, not python -m venv"
    assert invocation.as_started(written) == installed
    monkeypatch.setattr(invocation, "ROOT", tmp_path)
    form(monkeypatch, tmp_path / "runner" / "__main__.py", programs, programs / "python")
    assert invocation.as_started(written) == written
    (programs / "python").unlink()
    form(monkeypatch, tmp_path / "runner" / "__main__.py", programs, programs / "python3")
    assert invocation.as_started(written).startswith("`python3 -m eval.datasets validate`")


def test_an_installed_package_is_no_part_of_the_repository_that_its_environment_lies_in(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    tree = tmp_path / "site-packages" / "luagate" / "_tree"
    tree.mkdir(parents=True)
    found = source(tree)
    assert found.is_installed
    assert found == Source("", (), f"luagate {VERSION}", is_installed=True) or found.commit
