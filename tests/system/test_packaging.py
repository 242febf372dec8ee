"""Installed from a wheel, luagate is one command that works from any folder, whatever else lies there."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from env.installed.version import VERSION
from tests.support.installed import build_wheel, install, library_folders, plain_environment
from tests.support.runs import DEADLINE_S, PROJECT, only_run

SHIPPED = ("env", "eval", "gates", "runner", "training", "conf")
# What a user's own folder may hold: each would be imported in place of ours.
IN_THE_WAY = ("env.py", "eval.py", "gates.py", "runner.py", "training.py", "yaml.py", "rich.py", "luagate.txt")

pytestmark = pytest.mark.xdist_group("packaging")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A user's folder with modules named like ours, each of which fails when it is imported."""
    folder = tmp_path / "my project"
    folder.mkdir()
    for name in IN_THE_WAY:
        (folder / name).write_text(f"raise SystemExit('{name} of the user was imported')\n", encoding="utf-8")
    return folder


def luagate(bin_folder: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, env=plain_environment(bin_folder, home=folder), capture_output=True, text=True,
        timeout=1200, check=False,
    )  # fmt: skip


def of_the_layers() -> set[str]:
    """Return every file of the layers and conf/, but for what Python and editors leave beside them."""
    files = (path.relative_to(PROJECT) for name in SHIPPED for path in (PROJECT / name).rglob("*") if path.is_file())
    return {file.as_posix() for file in files if "__pycache__" not in file.parts and not file.name.startswith(".")}


def test_a_wheel_holds_every_file_of_the_layers_and_one_top_level_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"luagate"}
    shipped = {name.removeprefix("luagate/_tree/") for name in names if name.startswith("luagate/_tree/")}
    assert shipped == of_the_layers()
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


@pytest.mark.parametrize("start", [("luagate",), ("python", "-m", "luagate")])
def test_an_installed_command_answers_from_any_folder(
    bin_folder: Path, elsewhere: Path, start: tuple[str, ...]
) -> None:
    version = luagate(bin_folder, elsewhere, *start, "--version")
    assert (version.returncode, version.stdout) == (0, f"luagate {VERSION}\n"), version.stderr
    assert luagate(bin_folder, elsewhere, *start, "config", "seed").stdout == "0\n"
    made = luagate(bin_folder, elsewhere, *start, "new", "profile=smoke")
    assert made.returncode == 0, made.stderr
    assert only_run(elsewhere / "results").name in made.stdout, "results lie in the folder where it was typed"
    assert made.stdout.endswith("next: luagate advance\n")
    assert "Usage: luagate " in luagate(bin_folder, elsewhere, *start).stdout


def test_a_module_that_is_a_command_runs_installed_too(bin_folder: Path, elsewhere: Path) -> None:
    help_text = luagate(bin_folder, elsewhere, "luagate", "-m", "eval.datasets", "--help")
    assert help_text.stdout.startswith("usage: luagate -m eval.datasets "), help_text.stderr
    made = luagate(
        bin_folder, elsewhere, *["luagate", "-m", "eval.datasets", "export", "--rows", "8", "--out", "rows.jsonl"]
    )
    assert made.returncode == 0, made.stderr
    assert len((elsewhere / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == 8
    plan = luagate(
        bin_folder,
        elsewhere,
        *["luagate", "-m", "eval.simulate", "plan", "--check", "0", "--top", "1"],
    )
    assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize("name", ["eval.datasetz", "eval.none.such", "env", "json.tool", ""])
def test_a_module_of_others_is_refused(bin_folder: Path, elsewhere: Path, name: str) -> None:
    refused = luagate(bin_folder, elsewhere, "luagate", "-m", *([name] if name else []))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f'"{name}" is no module of luagate.' in refused.stderr


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_an_installed_command_takes_a_run_from_a_to_e_in_an_empty_folder(bin_folder: Path, elsewhere: Path) -> None:
    done = luagate(bin_folder, elsewhere, "luagate", "advance", "profile=smoke")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert "luagate report" in done.stdout
    assert "python -m runner" not in done.stdout
    run = only_run(elsewhere / "results")
    assert json.loads((run / "gate_e" / "report.json").read_text(encoding="utf-8"))["gate"] == "e"
    reported = luagate(bin_folder, elsewhere, "luagate", "report")
    assert reported.returncode == 0, reported.stderr
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "python -m runner" not in page
    assert "luagate export" in page or "luagate new" in page


def test_programs_are_judged_where_libraries_are_found_by_pythonpath_alone(elsewhere: Path) -> None:
    python = Path(sys.base_prefix) / "bin" / "python3"
    variables = plain_environment(home=elsewhere) | {"PYTHONPATH": ":".join([str(PROJECT), *library_folders()])}
    done = subprocess.run(
        [str(python), "-P", "-m", "runner", "doctor", "profile=smoke", "--json", "--results", str(elsewhere / "r")],
        cwd=elsewhere, env=variables, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["references"]["ok"], done.stdout + done.stderr
