"""One stored sample is judged again by itself, shown with both verdicts, and left as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from env.files import append_lines
from env.refusal import Refusal
from eval.pipeline.loop import judge
from eval.records import Completion, Outcome, Sample
from gates.measuring.bench import dataset_of
from gates.rejudging import replay
from gates.settings import Experiment
from runner.runs.config import compose_experiment
from runner.runs.folder import create_run
from runner.runs.plain_config import dump_config
from runner.screens import print_replay
from tests.support.luanti import open_verifier
from tests.support.runs import Cli

CELL = "step-000010_x1.00"


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return compose_experiment(["profile=smoke"])[0]


@pytest.fixture(scope="module")
def stored(experiment: Experiment) -> list[Sample]:
    """The reference (index 0) and a wrong answer (index 1) of two tasks, truly judged."""
    tasks = dataset_of(experiment).tasks[:2]
    answers = [(task, answer) for task in tasks for answer in (task.reference, task.near_misses[0].answer)]
    with open_verifier(experiment.verifier) as verifier:
        judged = judge(answers, verifier)
    return [
        Sample(task.id, number % 2, "base", 7, Completion(answer, "stop", 9), candidate, verdict)
        for number, ((task, answer), (candidate, verdict)) in enumerate(zip(answers, judged, strict=True))
    ]


@pytest.fixture
def run_dir(results: Path, stored: list[Sample]) -> Path:
    config = compose_experiment(["profile=smoke"])[1]
    results.mkdir()
    folder = create_run(results, "smoke", dump_config(config), ["profile=smoke"], "").folder
    append_lines(folder / "gate_b" / "samples.jsonl", [json.dumps(sample.to_json()) for sample in stored])
    for cell in (CELL, "step-000020_x1.00"):
        lines = [json.dumps(replace(sample, arm=cell).to_json()) for sample in stored]
        append_lines(folder / "gate_d" / "cells" / cell / "samples.jsonl", lines)
    return folder


def test_a_true_verdict_does_not_change_whether_it_passed_or_failed(
    experiment: Experiment, run_dir: Path, stored: list[Sample]
) -> None:
    for sample in stored[:2]:
        found = replay(run_dir, experiment, "b", sample.task_id, sample.index)
        assert found.stands
        assert found.sample == sample
        assert [check.passed for check in found.verdict.checks] == [check.passed for check in sample.verdict.checks]
    assert {sample.verdict.outcome == Outcome.PASSED for sample in stored[:2]} == {True, False}


def test_a_forged_verdict_is_reported_by_screen_and_exit_code_and_stays_stored(
    cli: Cli, run_dir: Path, stored: list[Sample]
) -> None:
    path = run_dir / "gate_b" / "samples.jsonl"
    forged = replace(stored[1], verdict=replace(stored[1].verdict, outcome=Outcome.PASSED, detail=""))
    path.write_text("".join(json.dumps(sample.to_json()) + "\n" for sample in (stored[0], forged)))
    before = path.read_bytes()
    code, told = cli("replay", "B", forged.task_id, "1")
    assert code == 3
    assert "stored:  PASSED" in told
    assert f"now:     {stored[1].verdict.outcome}" in told
    assert "the verdict changed" in told
    assert path.read_bytes() == before


def test_replay_prints_everything_as_json_too(cli: Cli, run_dir: Path, stored: list[Sample]) -> None:
    code, told = cli("replay", "B", stored[0].task_id, "0", "--json")
    assert code == 0
    found = json.loads(told)
    assert found["stands"] is True
    assert found["verdict"]["outcome"] == "PASSED"
    assert found["sample"]["completion"]["text"] == stored[0].completion.text


@pytest.mark.parametrize(
    ("gate", "task", "index", "cell", "words"),
    [
        ("a", "", 0, "", "has no samples"),
        ("e", "x", 0, "", "has no samples yet"),
        ("b", "nothing-like-it", 0, "", 'no samples of a task "nothing-like-it"'),
        ("b", "", 9, "", "has no sample 9"),
        ("d", "", 0, "", "it measured 2 cells"),
        ("d", "", 0, "step-000099_x1.00", "is not one of its arms"),
    ],
)
def test_a_sample_that_is_not_there_is_refused_with_what_is(
    experiment: Experiment, run_dir: Path, stored: list[Sample], gate: str, task: str, index: int, cell: str, words: str
) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        replay(run_dir, experiment, gate, task or stored[0].task_id, index, cell)
    assert refused.value.fix


def test_of_several_cells_the_named_one_is_judged(experiment: Experiment, run_dir: Path, stored: list[Sample]) -> None:
    found = replay(run_dir, experiment, "d", stored[0].task_id, 0, CELL)
    assert found.file == f"gate_d/cells/{CELL}/samples.jsonl"
    assert found.sample.arm == CELL


def test_what_a_model_wrote_cannot_steer_the_terminal(
    experiment: Experiment, run_dir: Path, stored: list[Sample]
) -> None:
    hostile = replace(stored[0], index=5, completion=Completion("x = 1 -- \x1b]0;gone\x07\u202e", "stop", 3))
    append_lines(run_dir / "gate_b" / "samples.jsonl", [json.dumps(hostile.to_json())])
    screen = StringIO()
    print_replay(replay(run_dir, experiment, "b", hostile.task_id, 5), screen)
    assert "x = 1" in screen.getvalue()
    assert not {"\x1b", "\x07", "\u202e"} & set(screen.getvalue())
