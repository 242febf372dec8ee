"""The memory estimate: exact where it can be counted, by formula where it cannot, from files alone."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from tests.support.settings import lora_settings, model_settings, train_settings
from training.needs.memory import estimate, read_shape
from training.needs.weight_headers import read_tensors, require_whole
from training.records import ModelSettings, TrainSettings

EMBEDDED = Path(__file__).resolve().parents[2] / "training" / "tiny" / "model"
MODEL = model_settings(str(EMBEDDED), quantization="nf4", batch_size=10)
LORA = lora_settings(r=8, alpha=16.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(-2, -1))
TRAIN = train_settings(max_steps=1, batch_size=2, learning_rate=1e-3, checkpoint_every=1, max_length=100)


def made(folder: Path, dtype: str = "BF16", **tensors: tuple[int, ...]) -> Path:
    """Write the header of a weight file and a configuration; the tensors' bytes are never read."""
    header = {
        name.replace("__", "."): {"dtype": dtype, "shape": shape, "data_offsets": [0, 8]}
        for name, shape in tensors.items()
    }
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    sizes = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 100}
    (folder / "config.json").write_text(json.dumps(sizes))
    return folder


def test_every_parameter_of_the_embedded_model_is_counted() -> None:
    # 1,967,808 as the model's card has it, counted by transformers when it was made
    assert estimate(EMBEDDED, MODEL, LORA, TRAIN, 200, on_gpu=False).parameters == 1_967_808


def test_nf4_holds_linear_layers_in_four_bits_and_their_scales_and_nothing_else() -> None:
    found = estimate(EMBEDDED, MODEL, LORA, TRAIN, 200, on_gpu=False).weights
    # 4 layers of 192 x (4 x 192) attention and 3 x 192 x 512 perceptron; the tied embedding and norms stay
    linear = 4 * (4 * 192 * 192 + 3 * 192 * 512)
    assert found["linear layers in nf4"] == pytest.approx(linear * 0.5625 / 1e9)
    assert sum(found.values()) == pytest.approx((linear * 0.5625 + (1_967_808 - linear) * 4) / 1e9)


def test_double_quantisation_saves_what_the_paper_says() -> None:
    one, two = (
        estimate(EMBEDDED, replace(MODEL, double_quantization=double), LORA, TRAIN, 200, on_gpu=False).weights
        for double in (False, True)
    )
    linear = 4 * (4 * 192 * 192 + 3 * 192 * 512)
    saved_bits = (sum(one.values()) - sum(two.values())) * 1e9 * 8 / linear
    # 0.373 bits a parameter: Dettmers et al. 2023, section 3
    assert saved_bits == pytest.approx(0.373, abs=0.001)


def test_the_adapter_is_counted_as_it_trains() -> None:
    parts = estimate(EMBEDDED, MODEL, LORA, TRAIN, 200, on_gpu=False).training
    parameters = 2 * 4 * 8 * (192 + 192)
    assert parts["adapter, gradient and AdamW in float32"] == pytest.approx(parameters * 16 / 1e9)


@pytest.mark.parametrize(
    ("settings", "train"),
    [
        (replace(MODEL, batch_size=20), TRAIN),
        (MODEL, replace(TRAIN, batch_size=400)),
        (MODEL, replace(TRAIN, max_length=20_000)),
        (replace(MODEL, quantization="none"), TRAIN),
    ],
)
def test_more_work_takes_more_memory(settings: ModelSettings, train: TrainSettings) -> None:
    base = estimate(EMBEDDED, MODEL, LORA, TRAIN, 200, on_gpu=True)
    assert estimate(EMBEDDED, settings, LORA, train, 200, on_gpu=True).total_gb > base.total_gb


def test_gradient_checkpointing_takes_less_and_so_do_higher_layers() -> None:
    long = replace(TRAIN, batch_size=64)
    base = estimate(EMBEDDED, MODEL, replace(LORA, layers=()), long, 200, on_gpu=False).training
    checked = replace(long, gradient_checkpointing=True)
    saved = estimate(EMBEDDED, MODEL, replace(LORA, layers=()), checked, 200, on_gpu=False).training
    higher = estimate(EMBEDDED, MODEL, LORA, long, 200, on_gpu=False).training
    assert sum(saved.values()) < sum(base.values())
    assert sum(higher.values()) < sum(base.values())


def test_logits_in_chunks_take_what_a_chunk_takes() -> None:
    whole = estimate(EMBEDDED, MODEL, LORA, TRAIN, 200, on_gpu=False).training["logits"]
    part = estimate(EMBEDDED, MODEL, LORA, replace(TRAIN, logit_chunk=100), 200, on_gpu=False).training["logits"]
    assert part / whole == pytest.approx(100 / (TRAIN.batch_size * TRAIN.max_length))


def test_fused_experts_are_named_as_not_quantised(tmp_path: Path) -> None:
    folder = made(tmp_path, model__layers__0__mlp__experts__gate_up_proj=(8, 64, 128))
    found = estimate(folder, MODEL, LORA, TRAIN, 200, on_gpu=False)
    assert found.weights["fused experts, not quantised"] == pytest.approx(8 * 64 * 128 * 4 / 1e9)
    assert any("fused experts" in line for line in found.lines())


def test_weights_stored_packed_count_as_stored(tmp_path: Path) -> None:
    found = read_tensors(made(tmp_path, dtype="U8", model__layers__0__mlp__blocks=(8, 4)))
    assert (found.sizes, found.packed_bytes) == ({}, 8)


def test_key_and_value_heads_set_the_cache(tmp_path: Path) -> None:
    folder = made(tmp_path, a=(1,))
    assert read_shape(folder).key_value_width == 64
    config = json.loads((folder / "config.json").read_text()) | {"num_key_value_heads": 1, "head_dim": 20}
    (folder / "config.json").write_text(json.dumps(config))
    assert read_shape(folder).key_value_width == 20


@pytest.mark.parametrize("content", [b"", b"\xff" * 16, struct.pack("<Q", 5) + b"[1,2]"])
def test_a_damaged_header_is_refused_by_its_file(tmp_path: Path, content: bytes) -> None:
    made(tmp_path, a=(1,))
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(Refusal, match="header cannot be read"):
        read_tensors(tmp_path)


def test_a_file_that_is_not_as_long_as_its_header_says_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    made(tmp_path, a=(4,))
    whole = path.read_bytes() + bytes(8)
    path.write_bytes(whole)
    assert require_whole([path]) == len(whole)
    for content, word in ((whole[:-1], "torn"), (whole + b"x", "longer")):
        path.write_bytes(content)
        with pytest.raises(Refusal, match=rf"model\.safetensors is {word}"):
            require_whole([path])
