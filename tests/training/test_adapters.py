"""An adapter applied at a scale computes what PEFT computes and leaves the base bit for bit; a wrong one is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import load, load_whole, logits, trained
from tests.support.tiny_random import make_model


def test_an_adapter_changes_the_model_and_leaves_the_base_bit_for_bit(quantized: Any, adapter_folder: Path) -> None:
    before = logits(quantized._evaluated)
    with quantized.adapter(adapter_folder, 1.0):
        assert not torch.equal(logits(quantized._evaluated), before)
    assert torch.equal(logits(quantized._evaluated), before)
    with quantized.adapter(adapter_folder, 0.0):
        assert torch.equal(logits(quantized._evaluated), before)


def test_the_base_is_restored_after_an_error(quantized: Any, adapter_folder: Path) -> None:
    before = logits(quantized._evaluated)
    with pytest.raises(KeyError), quantized.adapter(adapter_folder, 0.5):
        raise KeyError("anything")
    assert torch.equal(logits(quantized._evaluated), before)
    with quantized.adapter(adapter_folder, 0.0):
        pass


@pytest.mark.parametrize(
    ("evaluation", "kind", "scales"),
    [
        ("dequantized", {}, (1.0, 0.5)),
        ("dequantized", {"rslora": True}, (1.0, 0.5)),
        ("dequantized", {"dora": True}, (1.0,)),
        ("quantized", {}, (1.0, 0.5)),
        ("quantized", {"rslora": True}, (1.0, 0.5)),
    ],
)
def test_an_adapter_computes_what_peft_computes(
    llama: Path, evaluation: str, kind: dict[str, bool], scales: tuple[float, ...], tmp_path: Path
) -> None:
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale

    model = load(llama, evaluation=evaluation)
    adapter = trained(model, tmp_path, **kind)
    for scale in scales:
        with model.adapter(adapter, scale):
            ours = logits(model._evaluated)
        theirs = PeftModel.from_pretrained(model._loaded.model, adapter).eval()
        with rescale_adapter_scale(theirs, scale):
            expected = logits(theirs)
        theirs.unload()
        assert torch.allclose(ours, expected, atol=2e-4)
        assert not torch.allclose(logits(model._evaluated), expected, atol=1e-2)


def test_dora_over_a_quantised_evaluation_is_refused(llama: Path, tmp_path: Path) -> None:
    model = load(llama, evaluation="quantized")
    with pytest.raises(Refusal, match="DoRA"), model.adapter(trained(model, tmp_path, dora=True), 1.0):
        pass


def test_half_scale_is_half_the_change_of_the_weights(quantized: Any, adapter_folder: Path) -> None:
    weight = quantized._evaluated.get_submodule("model.layers.2.mlp.down_proj")
    base = weight.weight.data.clone()
    with quantized.adapter(adapter_folder, 1.0):
        full = weight.weight.data - base
    with quantized.adapter(adapter_folder, 0.5):
        half = weight.weight.data - base
    assert torch.allclose(half, full / 2, atol=1e-6)
    assert float(full.abs().max()) > 1e-3


def test_two_adapters_at_once_are_an_error(quantized: Any, adapter_folder: Path) -> None:
    with (
        quantized.adapter(adapter_folder, 1.0),
        pytest.raises(RuntimeError, match="already applied"),
        quantized.adapter(adapter_folder, 1.0),
    ):
        pass


def test_an_adapter_of_another_base_is_refused(adapter_folder: Path, tmp_path: Path) -> None:
    other = load(make_model(tmp_path, seed=5))
    with pytest.raises(Refusal, match="another base model"), other.adapter(adapter_folder, 1.0):
        pass


def test_an_adapter_of_another_shape_is_refused_without_a_manifest(adapter_folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(adapter_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("CHECKPOINT.json"))
    other = load_whole(make_model(tmp_path / "wide", hidden_size=128))
    with pytest.raises(Refusal, match=r"is \(\d+, \d+\) in the adapter"), other.adapter(bare, 1.0):
        pass
    shallow = load_whole(make_model(tmp_path / "shallow", num_hidden_layers=1))
    with pytest.raises(Refusal, match="no linear module"), shallow.adapter(bare, 1.0):
        pass


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "not an adapter folder"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x"), "SHA-256 differs"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "SHA-256 differs"),
    ],
)
def test_a_damaged_adapter_is_refused(
    quantized: Any, adapter_folder: Path, tmp_path: Path, damage: Any, says: str
) -> None:
    copy = shutil.copytree(adapter_folder, tmp_path / adapter_folder.name)
    damage(copy)
    with pytest.raises(Refusal, match=says), quantized.adapter(copy, 1.0):
        pass
