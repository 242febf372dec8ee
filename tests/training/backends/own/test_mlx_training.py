"""The mlx backend learns answers alone, resumes to the byte, and trains nothing that was not asked for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.mlx_models import load, made, needs_mlx
from tests.support.model_work import EXAMPLES, LORA, TRAIN, Watch
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.examples import TokenRow
from training.hooks import NoHooks
from training.records import TrainingDiverged

pytestmark = needs_mlx


def test_ten_steps_a_stop_and_ten_more_are_twenty_straight_to_the_byte(mlx_model: Any, tmp_path: Path) -> None:
    lora, settings = replace(LORA, dropout=0.1), replace(TRAIN, max_steps=20, checkpoint_every=5, grad_accum=2)
    stopped = mlx_model.train(EXAMPLES, lora, settings, tmp_path / "stopped", Watch(11))
    assert (stopped.status, stopped.checkpoints[-1].step) == ("stopped", 11)
    finished = mlx_model.train(EXAMPLES, lora, settings, tmp_path / "stopped", NoHooks())
    straight = mlx_model.train(EXAMPLES, lora, settings, tmp_path / "straight", NoHooks())
    assert finished.resumed_from == 11
    for ours, theirs in zip(finished.checkpoints, straight.checkpoints, strict=True):
        for name in (ADAPTER_WEIGHTS, "adapters.safetensors", ADAPTER_CONFIG, "optimizer.safetensors"):
            assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes()


def test_packed_rows_are_refused(mlx_model: Any) -> None:
    with pytest.raises(Refusal, match="packing=true"):
        mlx_model.probe_step(EXAMPLES[:2], LORA, replace(TRAIN, packing=True))


def test_only_answers_are_learned_and_padding_changes_nothing(mlx_model: Any) -> None:
    from training.backends.mlx.fitting import batch_arrays, summed_loss

    module = mlx_model._loaded.model
    rows = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]
    alone = sum(summed_loss(module, *batch_arrays([row], 1)).item() for row in rows)
    assert summed_loss(module, *batch_arrays(rows, 1)).item() == pytest.approx(alone, rel=1e-5)
    assert summed_loss(module, *batch_arrays(rows, 32)).item() == pytest.approx(alone, rel=1e-5)
    assert int((batch_arrays(rows, 1)[1] >= 0).sum().item()) == 9


def test_gradient_checkpointing_learns_the_same_and_is_undone(mlx_model: Any, tmp_path: Path) -> None:
    plain, saving, layer = Watch(), Watch(), type(mlx_model._loaded.model.layers[0])
    call = layer.__call__
    mlx_model.train(EXAMPLES, LORA, TRAIN, tmp_path / "plain", plain)
    mlx_model.train(EXAMPLES, LORA, replace(TRAIN, gradient_checkpointing=True), tmp_path / "saving", saving)
    assert [one.loss for one in saving.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)
    assert layer.__call__ is call


@pytest.mark.slow
def test_compiled_steps_learn_the_same_and_resume_to_the_byte(
    mlx_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what Apple GPUs use; a CPU compiles by its C++ compiler
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    lora, plain, compiled = replace(LORA, dropout=0.1), Watch(), Watch()
    settings = replace(TRAIN, max_steps=4, grad_accum=2)
    mlx_model.train(EXAMPLES, lora, settings, tmp_path / "plain", plain)
    monkeypatch.setattr(mlx_model, "_loaded", replace(mlx_model._loaded, compiled=True))
    straight = mlx_model.train(EXAMPLES, lora, settings, tmp_path / "compiled", compiled)
    # other widths draw other dropout masks: the first loss is close, and learning goes on
    assert compiled.steps[0].loss == pytest.approx(plain.steps[0].loss, rel=0.05)
    assert compiled.steps[-1].loss < compiled.steps[0].loss
    mlx_model.train(EXAMPLES, lora, settings, tmp_path / "stopped", Watch(2))
    resumed = mlx_model.train(EXAMPLES, lora, settings, tmp_path / "stopped", NoHooks())
    assert [one.digest for one in resumed.checkpoints] == [one.digest for one in straight.checkpoints]


def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_good_checkpoint(
    mlx_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.backends.mlx import fitting

    calls, real = iter(range(100)), fitting.summed_loss

    def poisoned(*arguments: Any) -> Any:
        return real(*arguments) * (float("nan") if next(calls) == 4 else 1.0)

    monkeypatch.setattr(fitting, "summed_loss", poisoned)
    with pytest.raises(TrainingDiverged, match=r"at step 5: loss nan; checkpoint step-000004 is good"):
        mlx_model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000004"]


def test_float16_is_measured_but_not_trained(mlx_folder: Path) -> None:
    with pytest.raises(Refusal, match="vanish without loss scaling"):
        load(mlx_folder, dtype="float16").probe_step(EXAMPLES, LORA, TRAIN)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("mixtral", "gate"), ("mixtral", "down_proj"), ("qwen3_moe", "gate"), ("gpt_oss", "router")],
)
def test_attention_of_a_mixture_of_experts_trains_and_its_experts_do_not(name: str, asked: str, tmp_path: Path) -> None:
    mixture = load(made(tmp_path / "model", name, num_hidden_layers=2), quantization="q4")
    result = mixture.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path / "out", NoHooks())
    assert (result.status, result.targets) == ("finished", 4)
    with pytest.raises(Refusal, match=f"{asked} is a router or expert module"):
        mixture.probe_step(EXAMPLES, replace(LORA, target_modules=(asked,), layers=(-1,)), TRAIN)
