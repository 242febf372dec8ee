"""A dry run names every gate that is left with its minutes and their basis, and starts and creates nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.runs.config import compose_experiment
from runner.runs.folder import Run
from runner.runs.plain_config import dump_config
from tests.gates.test_pace import PACE
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import Story


def test_without_a_run_the_gates_are_named_and_none_is_created(cli: Cli, results: Path) -> None:
    code, printed = cli("advance", "--dry-run", "profile=smoke", "--to", "C")
    assert code == 0, printed
    assert "run a new one" in printed
    assert "B baseline" in printed
    assert "D sweep" not in printed
    assert "Gate A measures how long" in printed
    assert not results.exists()


def with_config(run: Run) -> Run:
    """Give a made run a configuration of this version, which an advance would read."""
    run.file("config.yaml").write_text(dump_config(compose_experiment(["profile=smoke"])[1]), encoding="utf-8")
    return run


def test_after_gate_a_each_gate_left_has_its_minutes_with_their_basis(cli: Cli, results: Path) -> None:
    run = with_config(make_run(results, Story(gates="ab")))

    def measured(report: Any) -> None:
        report["results"]["probe"]["pace"] = PACE.model_dump()

    edit_json(run.gate_folder("a") / "report.json", measured)
    before = sorted(path.name for path in run.folder.rglob("*"))
    code, printed = cli("advance", "--dry-run")
    assert code == 0, printed
    assert run.id in printed
    assert "A environment" not in printed
    assert "B baseline" not in printed
    assert "540 samples of 90 tokens at 300 tokens a second" in printed
    assert "in all about" in printed
    assert sorted(path.name for path in run.folder.rglob("*")) == before


def test_a_finished_run_has_nothing_left(cli: Cli, results: Path) -> None:
    with_config(make_run(results, Story()))
    code, printed = cli("advance", "--dry-run", "--to", "B")
    assert code == 0
    assert "nothing is left to do up to that gate" in printed
