"""An adapter applied by the mlx backend computes what mlx-lm and PEFT compute, and leaves the base bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env.refusal import Refusal
from tests.support.mlx_models import KINDS, load, logits, made, needs_mlx, torch_logits
from tests.support.model_work import EXAMPLES, LORA, TRAIN, trained
from training.checkpoints import ADAPTER_WEIGHTS

pytestmark = needs_mlx


@pytest.mark.parametrize("quantization", ["none", "q4"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_computes_what_mlx_lm_computes_and_leaves_the_base_bit_for_bit(
    mlx_folder: Path, quantization: str, kind: dict[str, bool], tmp_path: Path
) -> None:
    from mlx_lm.tuner.utils import load_adapters

    model = load(mlx_folder, quantization=quantization)
    base, adapter = logits(model), trained(model, tmp_path, **kind)
    with model.adapter(adapter, 1.0):
        ours = logits(model)
    with model.adapter(adapter, 0.5):
        half = logits(model)
    with model.adapter(adapter, 0.0):
        assert np.array_equal(logits(model), base)
    assert np.array_equal(logits(model), base)
    theirs = load(mlx_folder, quantization=quantization)
    load_adapters(theirs._loaded.model, str(adapter)).eval()
    assert np.allclose(ours, logits(theirs), atol=1e-3)
    assert np.abs(ours - base).max() > 10 * np.abs(ours - logits(theirs)).max()
    assert not np.allclose(half, base, atol=1e-2)
    assert not np.allclose(half, ours, atol=1e-2)


def test_a_scale_equals_multiplying_b(mlx_model: Any, mlx_adapter: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    scaled = shutil.copytree(mlx_adapter, tmp_path / "scaled", ignore=shutil.ignore_patterns("CHECKPOINT.json"))
    tensors = load_file(scaled / ADAPTER_WEIGHTS)
    save_file(
        {name: value * np.float32(0.25) if "lora_B" in name else value for name, value in tensors.items()},
        scaled / ADAPTER_WEIGHTS,
    )
    with mlx_model.adapter(mlx_adapter, 0.25):
        ours = logits(mlx_model)
    with mlx_model.adapter(scaled, 1.0):
        assert np.allclose(logits(mlx_model), ours, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_loads_in_plain_peft(mlx_folder: Path, kind: dict[str, bool], tmp_path: Path) -> None:
    from peft import PeftModel

    model = load(mlx_folder)
    adapter = trained(model, tmp_path, **kind)
    with model.adapter(adapter, 1.0):
        ours = logits(model)
    base = load(mlx_folder, "transformers_peft")._loaded.model
    assert np.allclose(torch_logits(PeftModel.from_pretrained(base, adapter).eval()), ours, atol=1e-2)


def test_an_adapter_of_another_base_is_refused(mlx_adapter: Path, mlx_quantized: Any) -> None:
    with pytest.raises(Refusal, match="another base model"), mlx_quantized.adapter(mlx_adapter, 1.0):
        pass


def test_an_adapter_of_another_shape_is_refused_without_a_manifest(mlx_adapter: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(mlx_adapter, tmp_path / "bare", ignore=shutil.ignore_patterns("CHECKPOINT.json"))
    other = load(made(tmp_path / "wide", intermediate_size=192))
    with pytest.raises(Refusal, match=r"is \(\d+, \d+\) in the adapter"), other.adapter(bare, 1.0):
        pass
    (bare / ADAPTER_WEIGHTS).write_bytes(b"x")
    with pytest.raises(Refusal, match="damaged"), other.adapter(bare, 1.0):
        pass


def test_two_adapters_at_once_are_an_error(mlx_model: Any, mlx_adapter: Path) -> None:
    with mlx_model.adapter(mlx_adapter, 1.0):
        with pytest.raises(RuntimeError, match="already applied"), mlx_model.adapter(mlx_adapter, 1.0):
            pass
        with pytest.raises(RuntimeError, match="while an adapter is applied"):
            mlx_model.probe_step(EXAMPLES, LORA, TRAIN)
