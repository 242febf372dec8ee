"""Public chats as a run's data: their domain and waived sources are configuration, and a folder of files is data too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from gates.measuring.bench import dataset_of
from runner.runs.config import compose_experiment
from runner.validity.freshness import _file_digests

CONFIG = "Write a config module for lamps. It exports tables including LampTuning with fields like glow, reach. "


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def chat(question: str, source: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": "return {}"}]
    return {"messages": turns, "category": "config", "source": source}


@pytest.fixture
def named(tmp_path: Path) -> list[str]:
    """Return the overrides of a run on two small files of public layouts."""
    text = f"{CONFIG}Use table.freeze on all config tables."
    item = {"id": "a", "category": "coding", "prompt": text, "tools": None}
    train = tmp_path / "train"
    train.mkdir()
    write(train / "a.jsonl", chat("Greet the lamp.", "lamps"))
    write(train / "b.jsonl", chat("Dim the lamp.", "devforum_qa"), chat("Sell the lamp.", "lamps"))
    path = write(tmp_path / "eval.jsonl", item)
    return ["dataset=jsonl", f"dataset.eval={path}", f"dataset.train={train}", "dataset.domain=roblox"]


def test_rows_without_a_licence_are_trained_on_only_when_the_configuration_waives_their_source(
    named: list[str],
) -> None:
    kept = dataset_of(compose_experiment(named)[0])
    assert [(row.instruction, row.line) for row in kept.rows] == [("Greet the lamp.", 1), ("Sell the lamp.", 3)]
    waived = dataset_of(compose_experiment([*named, "dataset.waived=[devforum_qa]"])[0])
    assert [row.line for row in waived.rows] == [1, 2, 3]
    assert waived.digest != kept.digest


def test_a_source_that_needs_no_waiver_is_refused_with_those_that_do(named: list[str]) -> None:
    with pytest.raises(Refusal) as caught:
        dataset_of(compose_experiment([*named, "dataset.waived=[devforum_qs]"])[0])
    assert caught.value.sentence == "dataset.waived: no training row comes from devforum_qs without a licence."
    assert "devforum_qa" in caught.value.fix


def test_an_unknown_domain_is_refused_with_the_choices(named: list[str]) -> None:
    with pytest.raises(Refusal, match='no domain "robloks"'):
        compose_experiment([*named, "dataset.domain=robloks"])


def test_a_folder_of_files_is_hashed_file_by_file(named: list[str], tmp_path: Path) -> None:
    config = {"dataset": {"train": str(tmp_path / "train"), "eval": None}, "model": {"path": ""}}
    before = _file_digests(config, ("dataset",))
    write(tmp_path / "train" / "c.jsonl", chat("Buy the lamp.", "lamps"))
    assert _file_digests(config, ("dataset",)) != before
