"""Judging again needs no model, finds every changed verdict, and changes nothing that is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from env.files import append_lines
from env.refusal import Refusal
from eval.pipeline.loop import judge
from eval.records import Completion, Outcome, Sample
from gates.measuring.bench import dataset_of
from gates.rejudging import rejudge, write_rejudgement
from gates.settings import Experiment
from runner.runs.config import compose_experiment
from runner.runs.folder import create_run
from runner.runs.plain_config import dump_config
from tests.support.luanti import open_verifier


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return compose_experiment(["profile=smoke"])[0]


def stored_samples(experiment: Experiment) -> list[Sample]:
    """Reference answers and wrong answers of a few tasks, truly judged."""
    tasks = dataset_of(experiment).tasks[:6]
    answers = [(task, task.reference) for task in tasks] + [(task, task.near_misses[0].answer) for task in tasks]
    with open_verifier(experiment.verifier) as verifier:
        judged = judge(answers, verifier)
    return [
        Sample(task.id, number // len(tasks), "base", 7, Completion(answer, "stop", 9), candidate, verdict)
        for number, ((task, answer), (candidate, verdict)) in enumerate(zip(answers, judged, strict=True))
    ]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    config = compose_experiment(["profile=smoke"])[1]
    return create_run(tmp_path, "smoke", dump_config(config), ["profile=smoke"], "").folder


def store(run_dir: Path, samples: list[Sample]) -> Path:
    path = run_dir / "gate_b" / "samples.jsonl"
    append_lines(path, [json.dumps(sample.to_json()) for sample in samples])
    return path


def test_true_verdicts_do_not_change(experiment: Experiment, run_dir: Path) -> None:
    samples = stored_samples(experiment)
    store(run_dir, samples)
    found = rejudge(run_dir, experiment, "b", "")
    assert found.samples == len(samples)
    assert found.disagreements == ()
    assert {s.verdict.outcome for s in samples} > {Outcome.PASSED}, "both passes and failures were judged again"


def test_a_forged_pass_is_found_and_the_file_is_left_as_it_is(experiment: Experiment, run_dir: Path) -> None:
    samples = stored_samples(experiment)
    position = next(i for i, s in enumerate(samples) if s.verdict.outcome is not Outcome.PASSED)
    truth = samples[position].verdict.outcome
    samples[position] = replace(samples[position], verdict=replace(samples[position].verdict, outcome=Outcome.PASSED))
    path = store(run_dir, samples)
    before = path.read_bytes()
    found = rejudge(run_dir, experiment, "b", "")
    assert [(d.task_id, d.before, d.after) for d in found.flips] == [(samples[position].task_id, Outcome.PASSED, truth)]
    assert path.read_bytes() == before


def test_every_rejudgement_is_kept(experiment: Experiment, run_dir: Path) -> None:
    store(run_dir, stored_samples(experiment)[:2])
    found = rejudge(run_dir, experiment, "b", "")
    first, second = write_rejudgement(run_dir, found), write_rejudgement(run_dir, found)
    assert (first.name, second.name) == ("gate_b.1.json", "gate_b.2.json")
    assert json.loads(first.read_text(encoding="utf-8"))["flips"] == 0


def test_a_gate_without_samples_is_refused(experiment: Experiment, run_dir: Path) -> None:
    with pytest.raises(Refusal, match="has no samples"):
        rejudge(run_dir, experiment, "c", "")
    with pytest.raises(Refusal, match="has no samples yet"):
        rejudge(run_dir, experiment, "d", "")


def test_samples_of_a_task_that_is_gone_are_refused_by_its_name(experiment: Experiment, run_dir: Path) -> None:
    store(run_dir, [replace(stored_samples(experiment)[0], task_id="gone-1")])
    with pytest.raises(Refusal, match="no longer has the tasks gone-1"):
        rejudge(run_dir, experiment, "b", "")
