"""Preference training and asking again as commands: refused input writes nothing, and kill -9 changes no byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from runner.runs.config import compose_experiment
from runner.runs.plain_config import dump_config
from tests.support.runs import Cli, is_alive, kill_group, only_run, runner, start, wait_until

pytestmark = pytest.mark.timeout(1800)

SMALL = (
    "profile=smoke", "gate/c=dpo", "model.processes=1", "dataset.rows=24", "dataset.dev_tasks=4", "dataset.test_tasks=4",
    "gate.c.train.max_steps=6", "gate.c.train.checkpoint_every=2", "gate.c.dpo.drawer_steps=30",
    "gate.c.dpo.samples=6",
)  # fmt: skip
ASK = ("repair", "C", "--turns", "2", "--tasks", "6", "--feedback", "checks")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("repair", "A"), "stores no answers"),
        (("repair", "E", "--feedback", "checks"), "checked for"),
        (("repair", "E", "--rows", "rows.jsonl"), "must not train"),
        (("repair", "D", "--tasks", "3"), "training pool"),
    ],
)
def test_what_may_not_be_asked_is_one_sentence_and_leaves_nothing(
    small_run: Any, cli: Cli, words: tuple[str, ...], said: str
) -> None:
    before = sorted(small_run.folder.rglob("*"))
    code, text = cli(*words, "--run", str(small_run.folder))
    assert code == 2
    assert said in text
    assert "Traceback" not in text
    assert sorted(small_run.folder.rglob("*")) == before


def test_answers_of_a_run_that_is_no_longer_what_was_measured_are_not_asked_about(small_run: Any, cli: Cli) -> None:
    config = dump_config(compose_experiment(["profile=smoke"])[1])
    (small_run.folder / "config.yaml").write_text(config, encoding="utf-8")
    samples = small_run.folder / "gate_b" / "samples.jsonl"
    samples.write_text(samples.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    code, text = cli("repair", "B", "--run", str(small_run.folder))
    assert code == 5
    assert "gate_b/samples.jsonl" in text
    assert not (small_run.folder / "repair").exists()


def test_a_report_shows_what_asking_again_gave(small_run: Any, cli: Cli) -> None:
    path = small_run.folder / "repair" / "gate_e.1-runtime" / "report.json"
    path.parent.mkdir(parents=True)
    metric = {"name": "pass@1", "value": 31.25, "low": 20.0, "high": 40.0, "unit": "%", "n": 12, "k": 1, "note": ""}
    turn = {
        "turn": 1, "answers": 60, "passed": 20, "asked": 41, "asked_passed": 0, "fixed": 4, "broke": 3, "missing": 0,
        "too_long": 0, "tokens": 900, "tokens_so_far": 2400, "tokens_per_solved": 120.0, "pass_1": metric, "gain": metric,
        "fresh": {"draws": 1.75, "rate": {**metric, "value": 39.0}, "is_exhausted": False},
        "over_fresh": {**metric, "value": -7.75, "low": -9.0, "high": -6.0},
    }  # fmt: skip
    document = {
        "schema_version": 1, "gate": "e", "attempt": 1, "split": "test", "level": "runtime", "below": None, "samples": 5,
        "openings": 2, "rows": None, "arms": [{"arm": "base", "turns": [turn]}],
    }  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")
    code, _ = cli("report", "--run", str(small_run.folder))
    assert code == 0
    page, text = ((small_run.folder / f"report.{form}").read_text(encoding="utf-8") for form in ("html", "md"))
    assert 'id="repair"' in page
    assert "39.0 with 1.75 draws" in page
    row = "| base, n = 12 tasks, k = 5 of each | 1 | 31.2 | 20.0 to 40.0 | 41 | 4 | 3 | 120 | 39.0 with 1.75 draws |"
    assert row in text
    assert "opened 2 times" in text
    path.write_text("{}", encoding="utf-8")
    code, said = cli("report", "--run", str(small_run.folder))
    assert code == 5
    assert "Self-correction" in said


@pytest.mark.slow
def test_kill_9_in_drawing_in_training_on_pairs_and_in_a_turn_changes_no_byte(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    runner("new", *SMALL, results=whole, check=True)
    runner("advance", "--to", "B", results=whole, check=True)
    shutil.copytree(whole, cut)
    runner("advance", "--to", "C", results=whole, check=True)
    for phase in ("drawing", "training on pairs"):
        strike("advance", "--to", "C", results=cut, pulse="heartbeat.json", phase=phase)
    runner("advance", "--to", "C", results=cut, check=True)
    trained = [contents(results, "gate_c/rounds") for results in (whole, cut)]
    assert trained[0] == trained[1]
    assert any(name.endswith("pairs.jsonl") and data for name, data in trained[0].items())
    runner(*ASK, results=whole, check=True)
    strike(*ASK, results=cut, pulse="repair/heartbeat.json", phase="asking")
    runner(*ASK, results=cut, check=True)
    asked = [contents(results, "repair") for results in (whole, cut)]
    assert asked[0] == asked[1]
    assert {"turn_0", "turn_1", "turn_2"} <= {part for name in asked[0] for part in name.split("/")}


def strike(*words: str, results: Path, pulse: str, phase: str) -> None:
    """Start a command and kill it and its worker with SIGKILL once it is in a phase."""
    process = start(*words, results=results)
    path = only_run(results) / pulse

    def reached() -> bool:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(told["phase"] == phase and told["supervisor_pid"] == process.pid)

    wait_until(reached, phase, process)
    kill_group(process)
    wait_until(lambda: not is_alive(json.loads(path.read_text(encoding="utf-8"))["pid"]), "its worker is dead")


def contents(results: Path, folder: str) -> dict[str, Any]:
    """Return what must not depend on interruptions: samples without timings, pairs, weights, optimizers, the report."""
    found: dict[str, Any] = {}
    root = only_run(results) / folder
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.name in ("samples.jsonl", "draws.jsonl"):
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            for line in lines:
                del line["verdict"]["seconds"]
            found[name] = lines
        elif path.name in ("pairs.jsonl", "rows.jsonl", "adapter_model.safetensors", "optimizer.safetensors"):
            found[name] = path.read_bytes()
        elif path.name == "report.json":
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found
