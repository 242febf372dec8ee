"""What the mlx backend loads, what it says of its choices, and what it refuses by name before it computes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env.refusal import Refusal
from tests.support.mlx_models import copied, load, logits, made, needs_mlx

pytestmark = needs_mlx


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"quantization": "nf4"}, r"'nf4': backend mlx cannot hold it.*q4, q8"),
        ({"device": "cuda"}, "drives Apple GPUs and CPUs"),
        ({"evaluation": "dequantized"}, "as they are held"),
        ({"double_quantization": True}, "applies only to bitsandbytes' NF4"),
    ],
)
def test_a_setting_of_another_backend_is_refused_with_what_there_is(
    mlx_folder: Path, setting: dict[str, str], says: str
) -> None:
    with pytest.raises(Refusal) as refused:
        load(mlx_folder, **setting)
    assert re.search(says, f"{refused.value.sentence} {refused.value.fix}")


def test_an_apple_gpu_that_is_not_there_is_refused(mlx_folder: Path) -> None:
    import mlx.core as mx

    if mx.metal.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(Refusal, match="sees no Apple GPU"):
        load(mlx_folder, device="mps")


def test_weights_besides_those_of_the_index_are_refused(mlx_folder: Path, tmp_path: Path) -> None:
    copy = copied(mlx_folder, tmp_path)
    shutil.copy(copy / "model.safetensors", copy / "model-extra.safetensors")
    with pytest.raises(Refusal, match=r"model-extra\.safetensors is not in the weight index"):
        load(copy)


def test_layers_with_a_running_state_are_refused() -> None:
    from mlx_lm.models.cache import ArraysCache

    from training.backends.mlx.loading import _windows

    class Running:
        layers = (None,)

        def make_cache(self) -> list[Any]:
            return [ArraysCache(2)]

    with pytest.raises(Refusal, match="ArraysCache keep a state"):
        _windows(Running(), Path("folder"))


def test_a_sliding_window_that_mlx_lm_leaves_out_is_said(tmp_path: Path) -> None:
    choices = load(made(tmp_path, "mistral", sliding_window=16)).choices
    assert choices["attention"] == "full: mlx-lm has no sliding window for mistral, whose configuration sets 16"


def test_rotary_settings_that_mlx_lm_rounds_are_said(tmp_path: Path) -> None:
    choices = load(made(tmp_path, "gpt_oss", num_hidden_layers=2)).choices
    assert choices["attention"].startswith("1 full and 1 sliding layers: as configured; YaRN's borders are rounded")


def test_rotary_settings_by_kind_of_layer_that_mlx_lm_would_ignore_are_refused(
    mlx_folder: Path, tmp_path: Path
) -> None:
    path = copied(mlx_folder, tmp_path) / "config.json"
    rope = {"full_attention": {"rope_type": "default", "rope_theta": 5000.0}}
    path.write_text(json.dumps({**json.loads(path.read_text()), "rope_parameters": rope}))
    with pytest.raises(Refusal, match="reads no rotary settings by kind of layer for llama"):
        load(tmp_path / "copy")


def test_every_automatic_choice_has_a_reason(mlx_folder: Path) -> None:
    choices = load(mlx_folder, device="auto", dtype="auto", quantization="q8").choices
    assert {"device", "dtype", "compilation", "quantization", "attention"} <= choices.keys()
    assert all(len(choice.split(": ", 1)[1]) > 8 for choice in choices.values())
    assert choices["quantization"].startswith("q8: 29 of 29 linear modules")


def test_the_base_is_identified_as_by_the_transformers_backend(
    mlx_folder: Path, mlx_model: Any, tmp_path: Path
) -> None:
    theirs = load(mlx_folder, "transformers_peft").identity
    assert mlx_model.identity == theirs == load(copied(mlx_folder, tmp_path)).identity
    others = [load(mlx_folder, quantization=name).identity.digest for name in ("q4", "q8")]
    assert len({mlx_model.identity.digest, *others}) == 3


def test_parameters_are_counted_as_if_not_quantised(mlx_folder: Path, mlx_model: Any, mlx_quantized: Any) -> None:
    assert mlx_model.parameters == mlx_quantized.parameters == load(mlx_folder, "transformers_peft").parameters


def test_a_folder_in_mlx_format_keeps_its_own_quantisation(
    mlx_quantized: Any, mlx_folder: Path, tmp_path: Path
) -> None:
    from mlx_lm.convert import convert

    convert(str(mlx_folder), str(tmp_path / "q4"), quantize=True, q_bits=4, q_group_size=64, dtype="float32")
    for asked in ("none", "q4"):
        packed = load(tmp_path / "q4", quantization=asked)
        assert packed.choices["quantization"].startswith("4 bits affine, groups of 64")
        assert np.array_equal(logits(packed), logits(mlx_quantized))
    with pytest.raises(Refusal, match="already quantised to 4 bits"):
        load(tmp_path / "q4", quantization="q8")
