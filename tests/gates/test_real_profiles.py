"""The five real profiles against what is known of their models: parts of the memory estimate, and none blocked falsely."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from env.checks import Check
from gates.a_environment import model_files
from gates.settings import Experiment
from runner.runs.config import compose_experiment
from tests.support.real_shapes import GPT_OSS_20B, MISTRAL_7B, QWEN2_5_0_5B, QWEN3_4B
from training.needs.memory import Footprint, estimate
from training.needs.weight_headers import require_whole, weight_files

pytestmark = pytest.mark.quick

Shapes = dict[str, tuple[str, tuple[int, ...]]]

# profile -> (model, whether experts are stored in NF4 one by one, GB of its machine, what is known):
# GB of the weights: published parameters (20.9 B, 7.25 B, 4.02 B, 0.49 B) x 2 bytes (4 on a CPU); of linear layers
# about 0.52 (NF4 with double quantisation) or 0.56 (NF4, q4); the 4-bit gpt-oss is a download of 12 GB. GB of the cache:
# 2 x layers x key heads x head size x rows x (512 + max_new_tokens) x bytes. GB in all: as the profile's header promises.
KNOWN: dict[str, tuple[dict[str, Any], bool, float, float, float, float]] = {
    "rtx3090_gpt_oss_20b": (GPT_OSS_20B, True, 24.0, 12.5, 0.81, 21.0),
    "h200": (GPT_OSS_20B, False, 141.0, 41.8, 3.22, 52.0),
    "cuda_mistral_7b": (MISTRAL_7B, False, 24.0, 4.15, 4.29, 16.0),
    "mac_qwen_4b": (QWEN3_4B, False, 11.4, 2.8, 2.42, 9.0),
    "cpu_small": (QWEN2_5_0_5B, False, 8.0, 0.75, 0.35, 3.0),
}


def shapes_of(config: dict[str, Any], experts_in_nf4: bool) -> Shapes:
    """Return the tensors of the weight files: name -> (number format, shape)."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width = config.get("head_dim", hidden // heads)
    inner, experts = config["intermediate_size"], config.get("num_local_experts", 0)
    rows = {"q": heads * width, "k": config["num_key_value_heads"] * width, "v": config["num_key_value_heads"] * width}
    found: Shapes = {"model.embed_tokens.weight": ("BF16", (config["vocab_size"], hidden))}
    if not config.get("tie_word_embeddings"):
        found["lm_head.weight"] = found["model.embed_tokens.weight"]
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        matrices = {f"self_attn.{name}_proj": (size, hidden) for name, size in rows.items()}
        matrices["self_attn.o_proj"] = (hidden, heads * width)
        if not experts:
            matrices |= {f"mlp.{name}_proj": (inner, hidden) for name in ("gate", "up")}
            matrices["mlp.down_proj"] = (hidden, inner)
        elif experts_in_nf4:
            for expert in range(experts):
                matrices[f"mlp.experts.gate_up_projs.{expert}"] = (2 * inner, hidden)
                matrices[f"mlp.experts.down_projs.{expert}"] = (hidden, inner)
        else:
            found[f"{layer}.mlp.experts.gate_up_proj"] = ("BF16", (experts, hidden, 2 * inner))
            found[f"{layer}.mlp.experts.down_proj"] = ("BF16", (experts, inner, hidden))
        for name, shape in matrices.items():
            found |= (
                packed(f"{layer}.{name}.weight", shape)
                if experts_in_nf4
                else {f"{layer}.{name}.weight": ("BF16", shape)}
            )
        found |= {f"{layer}.{norm}_layernorm.weight": ("BF16", (hidden,)) for norm in ("input", "post_attention")}
    return found


def packed(name: str, shape: tuple[int, int]) -> Shapes:
    """Return a matrix as bitsandbytes stores it: two parameters a byte, and one byte for the scale of 64."""
    count = math.prod(shape)
    return {name: ("U8", (count // 2, 1)), f"{name}.absmax": ("U8", (count // 64,))}


def sparse(folder: Path, config: dict[str, Any], shapes: Shapes) -> Path:
    """Write a folder as long as the real one whose weights take no room on the disk."""
    header: dict[str, Any] = {}
    end = 0
    for name, (number_format, shape) in shapes.items():
        start, end = end, end + math.prod(shape) * (1 if number_format == "U8" else 2)
        header[name] = {"dtype": number_format, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + end)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def footprint(experiment: Experiment, folder: Path, on_gpu: bool) -> Footprint:
    config = experiment.gate.c
    tokens = 512 + experiment.sampling.max_new_tokens
    return estimate(folder, experiment.model, config.lora, config.train, tokens, on_gpu)


@pytest.mark.parametrize("profile", sorted(KNOWN))
def test_a_real_profile_is_estimated_as_known_and_not_blocked_on_its_machine(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, experts_in_nf4, machine_gb, weights_gb, cache_gb, total_gb = KNOWN[profile]
    folder = sparse(tmp_path, config, shapes_of(config, experts_in_nf4))
    assert require_whole(weight_files(folder)) > 0.9e9
    experiment = compose_experiment([f"profile={profile}", f"model.path={folder}"])[0]
    is_gpu = profile != "cpu_small"
    found = footprint(experiment, folder, is_gpu)
    held = sum(size for name, size in found.weights.items() if "context" not in name)
    caches = [size for name, size in found.generating.items() if name.startswith("attention cache")]
    assert held == pytest.approx(weights_gb, rel=0.15)
    assert caches == [pytest.approx(cache_gb, rel=0.15)]
    assert found.total_gb == pytest.approx(total_gb, rel=0.15)
    monkeypatch.setattr(model_files, "_accelerator", lambda _: ("a GPU" if is_gpu else "", machine_gb))
    checks: list[Check] = model_files._size_checks(experiment, folder, tmp_path)
    assert not [check for check in checks if check.name == "model memory" and check.blocks]
