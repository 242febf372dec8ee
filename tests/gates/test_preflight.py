"""What Gate A and doctor say of a model before its weights load, and of the adapter that one step made."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from env.checks import Check
from env.machine.gpus import survey_gpus
from env.machine.hardware import Memory
from env.refusal import Refusal
from gates.a_environment import model_files as preflight
from gates.a_environment.model_files import model_checks as checks_of
from gates.a_environment.model_files import model_checks_or_miss
from gates.a_environment.model_probe import Looking, probe_model
from gates.measuring.bench import dataset_of
from gates.settings import Experiment
from runner.runs.config import compose_experiment
from tests.support.runs import Cli
from training.backends.transformers_peft import choosing
from training.models import load_model

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def experiment(*overrides: str) -> Experiment:
    return compose_experiment(["profile=smoke", *overrides])[0]


def model_checks(asked: Experiment) -> list[Check]:
    return checks_of(asked, Path("results"))


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
    [check] = model_checks_or_miss(missing, tmp_path)
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
    shutil.copytree(Path(__file__).resolve().parents[2] / "training" / "tiny" / "model", folder)
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(Refusal, match=r"tokenizer\.json is missing"):
        model_checks(experiment(f"model.path={folder}"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the embedded model, to be damaged."""
    return Path(
        shutil.copytree(Path(__file__).resolve().parents[2] / "training" / "tiny" / "model", tmp_path / "model")
    )


def test_a_torn_weight_file_is_refused_by_its_length_alone(model: Path) -> None:
    path = model / "model.safetensors"
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(Refusal, match=r"model\.safetensors is torn: it ends too early, 3\.9 MB of 3\.9 MB"):
        model_checks(experiment(f"model.path={model}"))


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("tokenizer.json", "{", "tokenizer cannot be loaded"),
        ("config.json", "{", r"config\.json cannot be loaded"),
        ("config.json", '{"model_type": "llama", "hidden_size": 100, "num_attention_heads": 3}', "StrictDataclass"),
    ],
)
def test_a_damaged_file_beside_the_weights_is_refused_before_they_are_read(
    file: str, content: str, says: str, model: Path
) -> None:
    (model / file).write_text(content)
    (model / "model.safetensors").write_bytes(b"never read")
    with pytest.raises(Refusal, match=says) as refused:
        model_checks(experiment(f"model.path={model}"))
    assert refused.value.fix.startswith("Restore the file")


def test_a_part_of_a_model_is_downloaded_further_online_and_named_offline(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cached = tmp_path / "cache" / "models--nobody--half" / "snapshots" / ("0" * 40)
    cached.parent.mkdir(parents=True)
    model.rename(cached)
    refs = cached.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    shards = {"model.embed_tokens.weight": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (cached / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (cached / "model.safetensors").rename(cached / shards["model.embed_tokens.weight"])
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    [check] = model_checks(experiment("model.path=nobody/half"))
    assert check.ok
    assert "not (fully) downloaded" in check.value
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Refusal, match=r"model-00002-of-00002\.safetensors is missing"):
        model_checks(experiment("model.path=nobody/half"))


def test_checkpoints_that_do_not_fit_on_the_disk_block_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = named(model_checks(experiment()), "checkpoint disk")
    # r 8 on four 192 x 192 matrices of two layers, AdamW's two numbers for each in float32, 0.2 MB of small files
    assert found.value.startswith("2 x 0.5 MB for 0.02 M trained parameters")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 500_000))
    assert named(model_checks(experiment()), "checkpoint disk").blocks


def test_what_the_tokenizer_decides_is_reported_without_the_model() -> None:
    checks = {check.name: check.value for check in model_checks(experiment())}
    assert checks["model prompt"].startswith("instruction, input, response")
    assert "<|end|>" in checks["model end tokens"]


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


def test_rows_that_are_too_long_are_named_before_the_baseline_and_do_not_stop_the_probe(
    tmp_path: Path,
) -> None:
    asked = experiment("gate.c.train.batch_size=4")
    dataset = dataset_of(asked)
    # the first five, so that the first batch of the file has none that fits
    long = [replace(row, output=f"{row.output}\n-- {'word ' * 800}") for row in dataset.rows[:5]]
    dataset = replace(dataset, rows=(*long, *dataset.rows[5:]))
    checks = probe_model(asked, dataset, Looking(NOW, tmp_path / "prompts.jsonl")).checks
    found = named(checks, "rows fit")
    assert found.value == "5 of 64 training rows are too long and will be left out"
    assert (found.level, found.evidence) == ("warn", tuple(f"row {number}" for number in range(1, 6)))
    assert named(checks, "training step").ok
    with pytest.raises(Refusal, match=r"Training row 1 has [\d,]+ tokens, more than gate\.c\.train\.max_length"):
        probe_model(experiment("gate.c.train.on_too_long=error"), dataset, Looking(NOW, tmp_path / "prompts.jsonl"))


def test_doctor_ends_with_the_command_that_comes_next(cli: Cli) -> None:
    code, printed = cli("doctor", "profile=smoke", "gate.c.lora.layers=[9]")
    assert code == 3
    assert "gate.c.lora.layers: 9 is out of range, the model has 4 layers" in printed
    assert "next: python -m runner doctor profile=smoke 'gate.c.lora.layers=[9]'" in printed
    code, printed = cli("doctor", "profile=smoke")
    assert code == 0
    assert "training: activations of 16 x 512 tokens" in printed
    assert printed.splitlines()[-1].startswith("next: python -m runner doctor --model profile=smoke")


def test_doctor_does_not_start_a_run_that_has_ended(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gates.a_environment.gate.inspect", lambda *_, **__: iter([[]]))
    assert cli("new", "profile=smoke")[0] == 0
    monkeypatch.setattr("runner.views.run_view.next_verb", lambda *_: "report")
    assert cli("doctor", "--model")[1].splitlines()[-1].strip() == "next: python -m runner report"
    _, printed = cli("doctor", "--model", "seed=3")
    assert printed.splitlines()[-1].startswith("next: python -m runner new seed=3   makes the run")


def test_doctor_s_next_command_looks_at_the_same_experiment(cli: Cli, tmp_path: Path) -> None:
    file, other = tmp_path / "my own.yaml", tmp_path / "elsewhere"
    assert cli("config", "--starter", str(file), "profile=smoke")[0] == 0
    printed = cli("doctor", "--config", str(file), "seed=3", "--results", str(other))[1]
    named = f"--results {other} --config '{file}' seed=3"
    assert printed.splitlines()[-1].startswith(f"next: python -m runner doctor --model {named}   ")
    assert cli("new", "profile=smoke", "seed=7")[0] == 0
    printed = cli("doctor", "--from-defaults", "profile=smoke")[1]
    assert printed.splitlines()[-1].startswith("next: python -m runner doctor --model --from-defaults profile=smoke   ")


@pytest.mark.parametrize(
    ("declared", "overrides", "says"),
    [
        ({"bits": 4, "group_size": 64}, (), r"in mlx's own 4 bits.*Set backend=mlx"),
        ({"bits": 4, "group_size": 64}, ("model.quantization=none",), r"in mlx's own 4 bits.*Set backend=mlx"),
        ({"quant_method": "gptq", "bits": 4}, (), r"already quantised \(gptq\)"),
    ],
)
def test_weights_in_bits_that_the_backend_cannot_hold_are_refused_by_the_configuration(
    declared: dict[str, object], overrides: tuple[str, ...], says: str, model: Path
) -> None:
    path = model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": declared}))
    with pytest.raises(Refusal, match=says):
        model_checks(experiment(f"model.path={model}", *overrides))


def test_a_format_that_needs_another_library_names_it_instead_of_crashing(model: Path) -> None:
    path = model / "config.json"
    declared = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": declared}))
    with pytest.raises(Refusal, match=r"optimum.*Install what it requires"):
        load_model(
            "transformers_peft", experiment(f"model.path={model}", "model.quantization=none", "model.processes=1").model
        )


def test_nf4_without_its_library_is_refused_and_full_precision_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"needs bitsandbytes, which is not installed.*model.quantization=none"):
        model_checks(experiment())
    assert not any(check.blocks for check in model_checks(experiment("model.quantization=none")))


def test_bfloat16_on_a_gpu_without_it_is_refused_and_auto_takes_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    asked = experiment("model.dtype=bfloat16").model
    with pytest.raises(Refusal, match=r"model\.dtype = 'bfloat16': Tesla T4 does not compute in it"):
        choosing.choose_dtype(asked, "cuda")
    assert choosing.choose_dtype(asked, "cpu")[0] is torch.bfloat16
    assert choosing.choose_dtype(experiment("model.dtype=auto").model, "cuda")[0] is torch.float16


def test_an_adapter_above_its_limit_is_refused_before_the_model_loads() -> None:
    # r 8 on four 192 x 192 matrices of two layers in float32: 98,304 bytes
    with pytest.raises(Refusal, match=r"will take 0\.10 MB, gate\.c\.train\.max_adapter_mb is 0\.09"):
        model_checks(experiment("gate.c.train.max_adapter_mb=0.09"))
    assert model_checks(experiment("gate.c.train.max_adapter_mb=0.1"))


def test_the_gpu_that_is_hidden_is_not_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho "$@" > "$0.asked"\necho "NVIDIA A100, 40960, 40000, 570.86, 8.0"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    for visible, option in (("1", "--id=1"), ("0,2", "--id=0,2"), ("0,-1,2", "--id=0")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert survey_gpus().gpus[0].name == "NVIDIA A100"
        assert Path(f"{tool}.asked").read_text().split()[-1] == option
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert survey_gpus().gpus == ()


@pytest.mark.parametrize(("backend", "fix"), [("unsloth", "make setup-unsloth"), ("mlx", "make setup-mlx")])
def test_a_backend_s_missing_library_is_named_before_its_model_is_downloaded(
    backend: str, fix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("training.backends.find_spec", lambda name: None)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    asked = experiment(f"backend={backend}", "model.path=nobody/no-such-model-of-ours")
    with pytest.raises(Refusal, match=f"'{backend}' needs a library that is not installed.*{fix}"):
        model_checks(asked)


def test_a_schedule_without_a_checkpoint_is_refused_before_the_baseline(cli: Cli, tmp_path: Path) -> None:
    made = dataset_of(experiment())
    for name, items in (
        ("eval", [(task.instruction, task.input, task.reference, task.family) for task in made.tasks]),
        ("train", [(row.instruction, row.input, row.output, row.family) for row in made.rows]),
    ):
        lines = [
            json.dumps(dict(zip(("instruction", "input", "output", "family"), item, strict=True))) for item in items
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    files = (f"dataset.eval={tmp_path}/eval.jsonl", f"dataset.train={tmp_path}/train.jsonl")
    epochs = ("gate.c.train.max_steps=0", "gate.c.train.epochs=1", "gate.c.train.checkpoint_every=5")
    code, printed = cli("doctor", "profile=smoke", "dataset=jsonl", *files, *epochs)
    assert code == 2
    assert "gate.c.train.checkpoint_every = 5 exceeds the 4 steps that gate.c.train.epochs = 1 takes" in printed
