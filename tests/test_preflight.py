"""What Gate A and doctor say of a model before its weights load, and of the adapter that one step made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from env.checks import Check
from env.hardware import Memory
from env.refusal import Refusal
from gates import preflight
from gates.preflight import model_checks, model_checks_or_miss
from gates.settings import Experiment
from runner.config import compose_experiment
from tests.runs import Cli


def experiment(*overrides: str) -> Experiment:
    return compose_experiment(["profile=smoke", *overrides])[0]


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_the_embedded_model_is_complete_and_fits() -> None:
    checks = model_checks(experiment())
    assert not any(check.blocks for check in checks)
    assert "2.0 M parameters" in named(checks, "model memory").value
    assert any("AdamW" in line for line in named(checks, "model memory").evidence)


def test_a_model_that_does_not_fit_blocks_and_says_which_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "memory", lambda: Memory(1.0, 0.01, ""))
    found = named(model_checks(experiment()), "model memory")
    assert found.blocks
    assert found.expected == "≤ 0.0 GB free"
    assert any(line.startswith("generating: attention cache") for line in found.evidence)


def test_a_model_that_is_not_there_is_refused_by_the_gate_and_listed_by_doctor(tmp_path: Path) -> None:
    missing = experiment(f"model.path={tmp_path}/none")
    with pytest.raises(Refusal, match="no such folder"):
        model_checks(missing)
    [check] = model_checks_or_miss(missing)
    assert check.blocks
    assert "no such folder" in check.reason


def test_a_hub_model_that_is_not_here_blocks_only_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for offline, blocks in (("1", True), ("0", False)):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        [check] = model_checks(experiment("model.path=nobody/no-such-model-of-ours"))
        assert check.blocks is blocks


def test_a_folder_without_tokenizer_is_refused_before_a_weight_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(Path(__file__).resolve().parents[1] / "training" / "tiny" / "model", folder)
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(Refusal, match=r"tokenizer\.json is missing"):
        model_checks(experiment(f"model.path={folder}"))


def test_a_module_that_is_not_there_is_refused_with_the_choices() -> None:
    with pytest.raises(Refusal, match="query_proj") as refused:
        model_checks(experiment("gate.c.lora.target_modules=[query_proj]"))
    assert "q_proj" in refused.value.fix


def test_doctor_with_the_model_trains_a_step_and_reads_its_adapter_back(cli: Cli) -> None:
    code, printed = cli("doctor", "profile=smoke", "--model", "--json")
    checks = {check["name"]: check for check in json.loads(printed)}
    assert code == 0, printed
    assert checks["training step"]["value"].startswith("loss ")
    assert "0 at scale 0" in checks["adapter round trip"]["value"]
    assert checks["generated sample"]["ok"]
    assert checks["model prompt"]["value"].startswith("instruction, input, response")
    assert "model end tokens" in checks
