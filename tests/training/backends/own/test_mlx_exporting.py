"""What the mlx backend exports computes, read back by mlx-lm and PEFT, what the applied adapter computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.mlx_models import KINDS, load, logits, made, needs_mlx, torch_logits
from tests.support.model_work import EXAMPLES, LORA, TRAIN, trained
from tests.support.settings import model_settings
from training.exports import ExportRequest, RoundTrip
from training.hooks import NoHooks
from training.models import export_adapter

pytestmark = needs_mlx


def exported(model: Any, folder: Path, adapter: Path, scale: float, form: Any, to: Path) -> RoundTrip:
    quantization = "q4" if "q4" in model.identity.parts["quantization"] else "none"
    settings = model_settings(str(folder), quantization=quantization, device="cpu", dtype="float32")
    to.mkdir()
    return export_adapter("mlx", settings, ExportRequest(adapter, scale, form, to, ("local x = 1", "return {")))


@pytest.mark.parametrize("quantization", ["none", "q4"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fused_model_computes_what_the_applied_adapter_computed(
    mlx_folder: Path, quantization: str, kind: dict[str, bool], tmp_path: Path
) -> None:
    model = load(mlx_folder, quantization=quantization)
    adapter = trained(model, tmp_path / "adapter", **kind)
    with model.adapter(adapter, 0.5):
        applied = logits(model)
    found = exported(model, mlx_folder, adapter, 0.5, "merged", tmp_path / "fused")
    assert (found.loaded_by, found.same_choice) == ("mlx_lm.load_model", 1.0)
    assert np.allclose(logits(load(tmp_path / "fused")), applied, atol=2e-3)
    assert np.allclose(torch_logits(load(tmp_path / "fused", "transformers_peft")._evaluated), applied, atol=1e-2)


@pytest.mark.parametrize("quantization", ["none", "q4"])
def test_an_adapter_with_its_scale_baked_in_loads_in_plain_mlx_lm_and_peft(
    mlx_folder: Path, quantization: str, tmp_path: Path
) -> None:
    from peft import PeftModel

    model = load(mlx_folder, quantization=quantization)
    adapter = trained(model, tmp_path / "adapter")
    with model.adapter(adapter, 0.25):
        applied = logits(model)
    found = exported(model, mlx_folder, adapter, 0.25, "adapter", tmp_path / "baked")
    assert found.loaded_by == "mlx_lm.load_adapters"
    with model.adapter(tmp_path / "baked", 1.0):
        assert np.allclose(logits(model), applied, atol=1e-4)
    if quantization == "none":
        base = load(mlx_folder, "transformers_peft")._loaded.model
        assert np.allclose(torch_logits(PeftModel.from_pretrained(base, tmp_path / "baked").eval()), applied, atol=1e-2)


def test_a_fused_mixture_of_experts_loads_again(tmp_path: Path) -> None:
    path = made(tmp_path / "model", "gpt_oss", num_hidden_layers=2)
    model = load(path, quantization="q4")
    adapter = model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path / "out", NoHooks()).checkpoints[-1]
    with model.adapter(adapter.folder, 1.0):
        applied = logits(model)
    exported(model, path, adapter.folder, 1.0, "merged", tmp_path / "fused")
    assert "quantization" not in json.loads((tmp_path / "fused/config.json").read_text())
    assert np.allclose(logits(load(tmp_path / "fused")), applied, atol=1e-2)
