"""Models with recurrent, convolutional, chunked or key-sharing layers generate and train as those with plain attention."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest
from tests.support.model_work import EXAMPLES, LORA, REQUESTS, SAMPLING, TRAIN, load_whole
from tests.support.settings import sampling_settings
from tests.support.tiny_random import make_model

GREEDY = sampling_settings(temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=12)
_MAMBA = {"mamba_n_heads": 16, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1}
_LINEAR = {f"linear_{what}": size for what, size in (("num_key_heads", 2), ("num_value_heads", 4))} | {
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
_SHARED_KEYS = {
    "num_hidden_layers": 4,
    "num_kv_shared_layers": 2,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "sliding_window": 8,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": 258,
}
_PAIRS = {"num_hidden_layers": 2, "head_dim": 16}
KINDS: dict[str, dict[str, Any]] = {
    "qwen3_next": {
        **_PAIRS,
        **_LINEAR,
        "layer_types": ["linear_attention", "full_attention"],
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
    "qwen3_5_text": {**_PAIRS, **_LINEAR, "layer_types": ["linear_attention", "full_attention"]},
    "llama4_text": {**_PAIRS, "num_local_experts": 2, "attention_chunk_size": 8, "num_hidden_layers": 4},
    "falcon_h1": {**_PAIRS, **_MAMBA, "mamba_d_ssm": 128},
    "granitemoehybrid": {
        **_MAMBA,
        "num_hidden_layers": 2,
        "layer_types": ["mamba", "attention"],
        "num_local_experts": 0,
        "shared_intermediate_size": 32,
    },
    "jamba": {
        "num_hidden_layers": 2,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "num_experts": 2,
        "use_mamba_kernels": False,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
    },
    "lfm2": {"num_hidden_layers": 2, "layer_types": ["conv", "full_attention"]},
    "gemma3n_text": {
        **_SHARED_KEYS,
        "head_dim": 16,
        "laurel_rank": 4,
        "altup_num_inputs": 2,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {**_SHARED_KEYS, "head_dim": 16, "global_head_dim": 16},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = make_model(tmp_path_factory.mktemp(name), name, **KINDS[name])
        return made[name]

    return folder


@pytest.mark.parametrize("name", sorted(KINDS))
def test_greedy_writes_what_the_library_writes_for_each_prompt_alone(name: str, folders: Any) -> None:
    ours = load_whole(folders(name), batch_size=64)
    written = ours.generate([GenerationRequest(request.prompt, (0,)) for request in REQUESTS], GREEDY)
    for request, (sample,) in zip(REQUESTS, written, strict=True):
        ids = torch.tensor([ours._texts.prompt(request.prompt)])
        whole = ours._evaluated.generate(ids, do_sample=False, max_new_tokens=12, pad_token_id=0)
        assert sample.text == ours._texts.text(whole[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize("name", sorted(KINDS))
def test_batches_orders_and_subsets_change_no_sample(name: str, folders: Any) -> None:
    whole = load_whole(folders(name), batch_size=64).generate(REQUESTS, SAMPLING)
    again = load_whole(folders(name), batch_size=5)
    assert again.generate(REQUESTS[::-1], SAMPLING)[::-1] == whole
    assert again.generate(REQUESTS[1:3], SAMPLING) == whole[1:3]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_attention_of_their_last_layer_trains(name: str, folders: Any) -> None:
    last = replace(LORA, target_modules=("q_proj",), layers=(-1,))
    assert math.isfinite(load_whole(folders(name)).probe_step(EXAMPLES[:2], last, TRAIN))


def test_a_kind_of_layer_that_is_not_known_is_refused_by_its_name(folders: Any, tmp_path: Path) -> None:
    folder = make_model(tmp_path, "lfm2", **KINDS["lfm2"])
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"conv"', '"indexed_attention"'))
    with pytest.raises(Refusal, match="indexed_attention"):
        load_whole(folder)


def test_a_model_without_any_attention_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path, "lfm2", **{**KINDS["lfm2"], "layer_types": ["conv", "conv"]})
    with pytest.raises(Refusal, match="of kind conv keep a state"):
        load_whole(folder)


@pytest.mark.parametrize("model_type", ["mistral3", "qwen2_5_vl"])
def test_a_model_of_images_that_is_no_language_model_is_refused_before_its_weights(
    model_type: str, tmp_path: Path
) -> None:
    folder = make_model(tmp_path)
    AutoConfig.for_model(model_type).save_pretrained(folder)
    with pytest.raises(Refusal, match=f"no causal language model for {model_type}, a model of images and text"):
        load_whole(folder)
