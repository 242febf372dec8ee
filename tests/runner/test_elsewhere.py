"""`verify` runs programs of any origin; `score` judges others' completions by the same tasks, verifier and intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.pipeline.result import evaluate
from eval.pipeline.stored_samples import read_samples
from gates.measuring.bench import dataset_of
from gates.outside_completions import BATCH
from runner.runs.config import compose_experiment
from tests.support.runs import Cli

WHOSE = ("dataset=luanti_mini", "dataset.dev_tasks=12", "dataset.test_tasks=12", "verifier=recorder", "rule.k=2")


@pytest.fixture
def completions(tmp_path: Path) -> Path:
    """Two arms with two answers a task: near misses and references, and references alone; three tasks have none."""
    tasks = dataset_of(compose_experiment(WHOSE)[0]).tasks[3:]
    lines = [
        {"arm": arm, "task_id": task.id, "completion": answer}
        for arm, first in (("theirs", False), ("ours", True))
        for task in tasks
        for answer in (task.reference if first else task.near_misses[0].answer, task.reference)
    ]
    path = tmp_path / "theirs.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def test_references_score_100_percent_and_near_misses_0(completions: Path, cli: Cli) -> None:
    code, text = cli("score", str(completions), *WHOSE)
    assert code == 0, text
    assert "theirs on dev: 18 completions" in text
    assert "pass@1     50.0%" in text
    assert "ours on test: 24 completions" in text
    assert "pass@1     100.0%" in text
    assert "ours over theirs on test" in text
    assert "pass@1     +50.0 pp (95% +" in text
    assert "theirs dev: 3 tasks without a completion" in text


def test_scores_are_those_of_the_stored_samples_and_nothing_is_judged_twice(
    completions: Path, cli: Cli, results: Path
) -> None:
    code, text = cli("score", str(completions), *WHOSE, "--json")
    assert code == 0, text
    scored = json.loads(text)
    [store] = (results / "scores").iterdir()
    samples = read_samples(store / "samples.jsonl")
    whole = evaluate(samples, dataset_of(compose_experiment(WHOSE)[0]).tasks, "ours", "test", (1, 2))
    told = next(one for one in scored["results"] if (one["arm"], one["split"]) == ("ours", "test"))
    assert [(metric["value"], metric["low"], metric["high"]) for metric in told["metrics"]] == [
        (metric.value, metric.low, metric.high) for metric in whole.metrics
    ]
    bytes_before = (store / "samples.jsonl").read_bytes()
    assert json.loads(cli("score", str(completions), *WHOSE, "--json")[1]) == scored
    assert (store / "samples.jsonl").read_bytes() == bytes_before
    # a call that was killed in mid-way goes on
    lines = bytes_before.splitlines(keepends=True)
    (store / "samples.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]) + b'{"torn')
    assert json.loads(cli("score", str(completions), *WHOSE, "--json")[1]) == scored
    assert len(read_samples(store / "samples.jsonl")) == len(lines) <= BATCH


def test_a_stored_sample_s_own_number_is_kept(completions: Path, cli: Cli, results: Path) -> None:
    cli("score", str(completions), *WHOSE)
    [first] = (results / "scores").iterdir()
    code, text = cli("score", str(first / "samples.jsonl"), *WHOSE, "--json")
    again = json.loads(text)
    assert code == 0
    assert again["results"] == json.loads((first / "score.json").read_text())["results"]


def test_wrong_completions_are_refused_and_nothing_is_written(tmp_path: Path, cli: Cli, results: Path) -> None:
    (tmp_path / "wrong.jsonl").write_text('{"task_id": "none", "completion": "x"}\n')
    code, text = cli("score", str(tmp_path / "wrong.jsonl"), *WHOSE)
    assert (code, 'there is no task "none"' in text) == (2, True), text
    assert cli("score", str(tmp_path / "gone.jsonl"), *WHOSE)[0] == 2
    assert not (results / "scores").exists()


def test_verify_says_what_fails_in_which_file_and_ends_with_3(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "good.lua").write_text('core.register_node("a:b", { description = "B" })')
    (tmp_path / "bad.lua").write_text("\ncore.register_nodes()")
    code, text = cli("verify", str(tmp_path), "--verifier", "recorder")
    assert code == 3
    assert f"RUNTIME_ERROR  {tmp_path}/bad.lua" in text
    assert "made: node a:b" in text
    assert "2 programs, 1 failed" in text
    assert "not that it does what it should" in text
    code, text = cli("verify", str(tmp_path / "good.lua"), "--verifier", "recorder", "--json")
    assert (code, json.loads(text)["programs"][0]["verdict"]["registered"]) == (0, ["node a:b"])


def test_verify_counts_findings_as_failures_where_asked(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "odd.lua").write_text('core.register_node("a:b", { descripton = "B" })')
    assert cli("verify", str(tmp_path / "odd.lua"), "--verifier", "recorder")[0] == 0
    code, text = cli("verify", str(tmp_path / "odd.lua"), "--verifier", "recorder", "--strict")
    assert (code, "descripton" in text) == (3, True), text


@pytest.mark.parametrize(
    "words",
    [("gone.lua",), ("x.lua", "--domain", "roblx"), ("x.lua", "--verifier", "world", "--domain", "luanti"), ()],
)
def test_bad_input_of_verify_ends_with_2(tmp_path: Path, cli: Cli, monkeypatch, words: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.lua").write_text("return {}")
    assert cli("verify", *words)[0] == 2
