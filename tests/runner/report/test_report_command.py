"""`runner report` writes what was asked for, opens it where that can be, and its exit code tells of damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.report.page.browser import open_page
from tests.support.run_edits import decision_of
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import SMALL


def test_report_writes_the_format_that_is_asked_for(results: Path, cli: Cli) -> None:
    run = make_run(results, SMALL)
    for form, written in (("html", "report.html"), ("md", "report.md")):
        code, told = cli("report", run.id, "--format", form)
        assert (code, told.split()) == (0, [str(run.folder / written)])
    code, told = cli("report", "--run", run.id)
    assert (code, told.split()) == (0, [str(run.folder / "report.md"), str(run.folder / "report.html")])
    for words in (("--format", "json"), ("--json",)):
        code, told = cli("report", *words)
        assert json.loads(told)["verdict"]["word"] == decision_of(run)["verdict"]
        assert "base_samples" not in told


def test_report_refuses_two_names_for_one_run(results: Path, cli: Cli) -> None:
    run = make_run(results, SMALL)
    code, told = cli("report", run.id, "--run", "other")
    assert code == 2
    assert "Two different runs are named" in told


def test_report_over_a_damaged_run_says_so_on_the_screen_and_in_its_exit_code(results: Path, cli: Cli) -> None:
    run = make_run(results, SMALL)
    (run.gate_folder("d") / "report.json").unlink()
    code, told = cli("report")
    assert code == 5
    assert "do not rely on this report" in told
    assert "gate_d/report.json is missing" in told
    code, told = cli("report", "--format", "json")
    assert code == 5
    assert "gate_d/report.json is missing" in json.loads(told[: told.rindex("}") + 1])["problems"][0]


def test_open_says_how_to_look_at_the_page_over_ssh(results: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(results, SMALL)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 22 10.0.0.2 22")
    code, told = cli("report", "--open")
    assert code == 0
    assert f"Not opened: this shell is reached over SSH. Copy the page to your machine: scp HOST:{run.folder}" in told


@pytest.mark.parametrize(("found", "words"), [(True, ""), (False, "no browser was found")])
def test_open_asks_the_desktops_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: bool, words: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or found)
    remark = open_page(tmp_path / "report.html", {"DISPLAY": ":0"}, "linux")
    assert asked == [(tmp_path / "report.html").as_uri()]
    assert words in remark
    assert bool(remark) is not found
    assert "there is no display" in open_page(tmp_path / "report.html", {}, "linux")
