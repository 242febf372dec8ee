"""A command of a checkout finds the checkout's own environment from any shell, or says in a sentence what to type."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from env.installed.own_environment import LIBRARIES, OLDEST, enter
from env.installed.version import VERSION
from tests.support.installed import NOT_COPIED, plain_environment, see_libraries
from tests.support.runs import PROJECT

pytestmark = pytest.mark.xdist_group("own environment")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout without any environment."""
    folder = tmp_path_factory.mktemp("clone") / "luagate"
    shutil.copytree(PROJECT, folder, ignore=NOT_COPIED)
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of this version that has nothing installed, as a shell without any environment has it."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder / "bin"


@pytest.fixture
def own(checkout: Path) -> Path:
    """The environment that `make setup` makes in the checkout."""
    folder = checkout / ".venv"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, symlinks=True)
    see_libraries(folder)
    return folder


def typed(bin_folder: Path, checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=checkout, env=plain_environment(bin_folder, home=checkout), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 2, "a sentence and what to type"
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("start", ["python -m runner", "python3 -m runner", "python -m luagate"])
def test_a_command_works_in_a_shell_without_the_environment(checkout: Path, own: Path, bare: Path, start: str) -> None:
    done = typed(bare, checkout, *start.split(), "--version")
    assert (done.returncode, done.stdout) == (0, f"luagate {VERSION}\n"), done.stderr
    assert done.stderr == ""


def test_the_command_that_a_screen_names_works_where_it_was_read(checkout: Path, own: Path, bare: Path) -> None:
    read = typed(bare, checkout, "python", "-m", "runner", "runs")
    named = re.search(r"next:  (\S+ -m runner) advance", read.stdout)
    assert named, read.stdout + read.stderr
    assert typed(bare, checkout, *named[1].split(), "config", "seed").stdout == "0\n"


@pytest.mark.parametrize("module", ["eval.simulate", "eval.datasets", "training.tiny_random"])
def test_a_module_that_is_a_command_finds_the_environment_too(
    checkout: Path, own: Path, bare: Path, module: str
) -> None:
    done = typed(bare, checkout, "python", "-m", module, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage: python -m " in done.stdout


def test_an_active_environment_that_has_the_libraries_is_used_as_it_is(
    checkout: Path, own: Path, tmp_path: Path
) -> None:
    (own / "bin" / "python").unlink()  # who would change to it would fail
    venv.create(tmp_path / "other", symlinks=True)
    see_libraries(tmp_path / "other")
    done = typed(tmp_path / "other" / "bin", checkout, "python", "-m", "runner", "--version")
    assert (done.returncode, done.stdout) == (0, f"luagate {VERSION}\n"), done.stderr


def test_without_any_environment_one_sentence_says_what_to_type(checkout: Path, bare: Path) -> None:
    shutil.rmtree(checkout / ".venv", ignore_errors=True)
    told = typed(bare, checkout, "python", "-m", "runner", "status")
    refused(told, "lacks", "typer", f"there is no environment {checkout}/.venv yet", "`make setup`")


def test_an_environment_that_lacks_the_libraries_is_entered_once_and_named(
    checkout: Path, own: Path, bare: Path
) -> None:
    next(own.rglob("libraries.pth")).unlink()
    told = typed(bare, checkout, "python", "-m", "runner", "status")
    refused(told, f"The environment {own} is half installed: it lacks", "typer", "`make setup`", "completes it")
    (own / ".ready").touch()  # make believes that it is complete, and would do nothing
    told = typed(bare, checkout, "python", "-m", "runner", "status")
    refused(told, f"The environment {own} lacks", "typer", f"Remove {own}, then `make setup`")


def test_an_environment_whose_python_is_gone_is_told_from_one_that_is_not_there(
    checkout: Path, own: Path, bare: Path
) -> None:
    for link in own.glob("bin/python*"):
        link.unlink()
    (own / "bin" / "python").symlink_to("/opt/python3.11/bin/python3")
    told = typed(bare, checkout, "python", "-m", "runner", "status")
    refused(told, f"the Python that {own} was made with is gone: /opt/python3.11/bin/python3", f"Remove {own}, then")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda own: (own / "pyvenv.cfg").unlink(), "is no virtual environment: pyvenv.cfg is missing"),
        (lambda own: (own / "bin" / "python").unlink(), "is broken: "),
        (lambda own: replace_python(own, "no program"), "does not start (Exec format error)"),
    ],
)
def test_a_broken_environment_is_told_from_one_that_is_not_there(
    checkout: Path, own: Path, bare: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(own)
    refused(typed(bare, checkout, "python", "-m", "runner", "status"), said, f"Remove {own}, then `make setup`")


def replace_python(own: Path, text: str) -> None:
    python = own / "bin" / "python"
    python.unlink()
    python.write_text(text)
    python.chmod(0o755)


def test_the_libraries_looked_for_are_those_that_the_project_depends_on() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[^A-Za-z0-9_-]", line)[0].lower() for line in project["dependencies"]}
    distributions = packages_distributions()
    assert {name.lower() for library in LIBRARIES for name in distributions[library]} == wanted
    assert project["requires-python"] == ">=" + ".".join(map(str, OLDEST))


@pytest.mark.parametrize(
    "name",
    [
        "env/__init__",
        "env/installed/own_environment",
        "runner/__init__",
        "runner/__main__",
        "luagate/__init__",
        "luagate/__main__",
    ],
)
def test_what_runs_before_the_environment_is_found_is_read_by_older_pythons(name: str) -> None:
    tree = ast.parse((PROJECT / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported <= {
        "__future__",
        "contextlib",
        "importlib.util",
        "pathlib",
        "env.installed.own_environment",
        "luagate",
    }


def test_windows_is_told_where_luagate_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as ended:
        enter()
    assert ended.value.code == 2
    assert "luagate runs on Linux and macOS. On Windows use WSL2" in capsys.readouterr().err
