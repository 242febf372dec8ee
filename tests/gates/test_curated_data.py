"""Curated public files: what their figures say is found, and what Gate A refused before it lets pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.datasets.loading import load_dataset
from gates.a_environment.data_checks import inspect_data
from runner.runs.config import compose_experiment
from tests.support.runs import Cli

pytest.importorskip("license_expression")

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PUBLIC = SHARED / "public"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public files are not beside the project (../shared/data)"),
]
AS_IT_IS = (
    "execute.verifier=none",
    "parse.without_program=all",
    "parse.drop_cut_off=false",
    "decontaminate.benchmarks=[]",
)


def curated(cli: Cli, out: Path, *words: str) -> dict[str, dict[str, Any]]:
    code, text = cli("curate", *words, f"data={PUBLIC}", "--out", str(out), "--json")
    assert code == 0, text
    return {one["stage"]: one for one in json.loads(text)["stages"]}


def test_the_luanti_rows_no_longer_leak_and_gate_a_lets_the_pair_pass(tmp_path: Path, cli: Cli) -> None:
    stages = curated(cli, tmp_path / "out", "luanti_public", "execute.verifier=recorder", "decontaminate.benchmarks=[]")
    assert stages["execute"]["dropped"] == {"does not pass: WRONG": 56, "does not pass: SYNTAX_ERROR": 8}
    items = PUBLIC / "luanti-fine-tune" / "data" / "eval" / "luanti_eval.jsonl"
    train = tmp_path / "out" / "train.jsonl"
    words = [f"dataset.eval={items}", f"dataset.train={train}", "dataset.domain=luanti", "verifier=recorder"]
    experiment, _ = compose_experiment(["dataset=jsonl", "dataset.exclude_broken_references=true", *words])
    found = inspect_data(experiment, load_dataset(experiment.dataset))
    said = {check.name: check.ok for check in found.checks}
    for name in ("exact leaks", "near leaks", "partial leaks", "duplicates", "training answers"):
        assert said[name], name
    assert len(found.usable.rows) == stages["card"]["rows_out"] > 150


def test_the_luanti_rows_as_published_hold_40_of_60_items_and_357_repetitions(tmp_path: Path, cli: Cli) -> None:
    stages = curated(cli, tmp_path / "out", "luanti_public", *AS_IT_IS)
    assert stages["collect"]["facts"]["repeated prompts"] == 357
    assert stages["decontaminate"]["facts"]["luanti_eval.jsonl"]["prompt and answer"] == 40


def test_the_roblox_rows_as_published_repeat_129_prompts_and_hold_25_of_30_benchmark_prompts(
    tmp_path: Path, cli: Cli
) -> None:
    stages = curated(cli, tmp_path / "out", "roblox_public", *AS_IT_IS)
    facts = stages["collect"]["facts"]
    assert (facts["rows by source"], facts["repeated prompts"], facts["groups of equal prompts"]) == (
        {"vertigo": 1967},
        129,
        82,
    )
    assert stages["licence"]["dropped"] == {"licence fair-use: Apache-2.0 of vertigo": 80}
    found = stages["decontaminate"]["facts"]["benchmark.jsonl"]
    assert (found["tasks"], found["verbatim"], found["found"]) == (30, 24, 25)


def test_real_registrations_give_executed_rows_and_repairs_with_licences(tmp_path: Path, cli: Cli) -> None:
    file = SHARED / "debian_mod_registrations.jsonl"
    source = f'sources.registrations={{kind: units, path: {file}, licence: "", family: "", part: pairs, commit: ""}}'
    empty = tmp_path / "sources.yaml"
    empty.write_text("sources: {}\nexecute: {verifier: recorder, mutations: 4}\n", encoding="utf-8")
    stages = curated(cli, tmp_path / "out", str(empty), source)
    assert stages["licence"]["facts"]["sets"] == {"commercial": stages["licence"]["rows_out"]}
    assert stages["execute"]["made"] > 500
    assert stages["decontaminate"]["dropped"] == {}
    assert set(stages["card"]["facts"]["licence"].split(" AND ")) <= {"MIT", "Zlib", "WTFPL", "BSD-3-Clause"}
