"""A base model is loaded whole, on the asked device in a stated number format, or refused by the file that is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import load, load_whole, logits
from tests.support.tiny_random import make_model
from training.backends.transformers_peft.choosing import choose_dtype
from training.records import ModelSettings


@pytest.fixture(scope="module")
def model(llama: Path) -> Any:
    return load(llama)


def copied(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_refused_by_name(llama: Path, tmp_path: Path, name: str) -> None:
    (copied(llama, tmp_path) / name).unlink()
    with pytest.raises(Refusal, match=f"{name} is missing"):
        load(tmp_path / "copy")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b'{"model_type": "no_such_model"}'),
        ("model.safetensors", b"not tensors"),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_file_is_refused_with_its_folder(llama: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (copied(llama, tmp_path) / name).write_bytes(content)
    with pytest.raises(Refusal, match=str(tmp_path)):
        load(tmp_path / "copy")


def test_weights_that_lack_a_tensor_are_refused_and_not_made_up(llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = copied(llama, tmp_path) / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.1.self_attn.q_proj.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"lack 1 tensors \(model\.layers\.1\.self_attn\.q_proj\.weight\)"):
        load_whole(tmp_path / "copy")


def test_a_missing_shard_is_refused_by_name(llama: Path, tmp_path: Path) -> None:
    copy = copied(llama, tmp_path)
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refusal, match=r"model-00002-of-00002\.safetensors is missing"):
        load(copy)


def test_a_missing_folder_is_refused_without_asking_the_hub(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such folder"):
        load(tmp_path / "nowhere")


def test_a_hub_model_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*arguments: Any, **options: Any) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(Refusal, match=r"the hub did not provide it \(ConnectionError\)"):
        load(Path("some-org/some-model"))


def test_quantising_twice_is_refused(llama: Path, tmp_path: Path) -> None:
    path = copied(llama, tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": {"quant_method": "mxfp4"}}))
    with pytest.raises(Refusal, match=r"already quantised \(mxfp4\)"):
        load(tmp_path / "copy")


def test_layers_with_a_running_state_are_refused(llama: Path, tmp_path: Path) -> None:
    path = copied(llama, tmp_path) / "config.json"
    kinds = {"layer_types": ["linear_attention", "full_attention", "full_attention"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **kinds}))
    with pytest.raises(Refusal, match="layers of kind linear_attention"):
        load(tmp_path / "copy")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there_is_refused(llama: Path) -> None:
    with pytest.raises(Refusal, match="sees no CUDA device"):
        load(llama, device="cuda")


def test_every_automatic_choice_has_a_reason(llama: Path) -> None:
    choices = load(llama, device="auto", threads=0).choices
    told = {"device", "dtype", "threads", "evaluation", "quantization", "prompt", "start token", "end tokens"}
    assert choices.keys() == told
    assert all(len(choice.split(": ", 1)[1]) > 10 for choice in choices.values())
    assert choices["quantization"].startswith("nf4: 21 of 22 linear modules")


def test_the_identity_follows_content_and_quantisation_and_not_the_folder(llama: Path, tmp_path: Path) -> None:
    same = load(copied(llama, tmp_path)).identity
    assert same == load(llama).identity
    config = tmp_path / "copy/tokenizer_config.json"
    config.write_text(config.read_text().replace("{", '{"chat_template": "{{ messages[0].content }}", ', 1))
    others = [
        load_whole(llama).identity,
        load(tmp_path / "copy").identity,
        load(make_model(tmp_path / "other", seed=3)).identity,
    ]
    assert len({same.digest, *(other.digest for other in others)}) == 4
    assert others[1].parts["weights"] == same.parts["weights"] != others[2].parts["weights"]


def test_parameters_are_counted_as_if_not_quantised(llama: Path, model: Any) -> None:
    assert model.parameters == load_whole(llama).parameters == 125_632


def test_dequantised_evaluation_is_bit_equal_to_the_quantised_base(model: Any) -> None:
    assert torch.equal(logits(model._evaluated), logits(model._loaded.model))


@pytest.mark.parametrize(
    ("native", "dtype", "why"),
    [(True, torch.bfloat16, "its range needs no loss scaling"), (False, torch.float16, "the GPU lacks bfloat16")],
)
def test_the_number_format_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, native: bool, dtype: torch.dtype, why: str
) -> None:
    # torch counts an emulation as support, unless it is asked not to
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    chosen, reason = choose_dtype(ModelSettings("m"), "cuda")
    assert (chosen, why in reason) == (dtype, True)
    assert choose_dtype(ModelSettings("m"), "cpu")[0] is torch.float32
