"""Every backend loads a base whole, gives its reasons, knows it by content, or refuses it by the file that is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.model_work import LORA
from tests.support.settings import model_settings
from training.backends import Backend
from training.models import check_settings
from training.tiny_random.cache import made_folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_refused_by_name(load: Any, copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(Refusal, match=f"{name} is missing"):
        load(copied)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b'{"model_type": "no_such_model"}'),
        ("model.safetensors", b"not tensors"),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_file_is_refused_with_its_folder(load: Any, copied: Path, name: str, content: bytes) -> None:
    (copied / name).write_bytes(content)
    with pytest.raises(Refusal, match=str(copied)):
        load(copied)


def test_weights_that_lack_a_tensor_are_refused_and_not_made_up(load: Any, copied: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = copied / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).float().numpy() for name in file.keys()}  # noqa: SIM118
    del tensors["model.layers.1.self_attn.q_proj.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"lack 1 tensors .*\(model\.layers\.1\.self_attn\.q_proj|Missing 1 parameters"):
        load(copied)


def test_a_missing_shard_is_refused_by_name(load: Any, copied: Path) -> None:
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refusal, match=r"model-00002-of-00002\.safetensors is missing"):
        load(copied)


def test_a_missing_folder_is_refused_without_asking_the_hub(load: Any, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such folder"):
        load(tmp_path / "nowhere")


def test_every_automatic_choice_has_a_reason(packed: Any, backend: Backend) -> None:
    told = {"device", "dtype", "threads", "evaluation", "quantization", "prompt", "start token", "end tokens"}
    assert told <= packed.choices.keys()
    assert all(len(choice.split(": ", 1)[1]) > 8 for choice in packed.choices.values())
    assert packed.choices["quantization"].startswith(f"{backend.quantizations[0]}: ")


def test_the_identity_follows_content_and_quantisation_and_not_the_folder(
    load: Any, model: Any, packed: Any, copied: Path
) -> None:
    assert load(copied).identity == model.identity
    config = copied / "tokenizer_config.json"
    template = "{{ messages[0].content }}{% if add_generation_prompt %}<answer>{% endif %}"
    config.write_text(config.read_text().replace("{", f'{{"chat_template": "{template}", ', 1))
    other = load(copied).identity
    assert len({model.identity.digest, packed.identity.digest, other.digest}) == 3
    assert other.parts["weights"] == model.identity.parts["weights"]


def test_parameters_are_counted_as_if_not_quantised(model: Any, packed: Any) -> None:
    from training.needs.weight_headers import read_tensors

    assert model.parameters == packed.parameters
    held = read_tensors(made_folder("tiny_random:llama")).sizes
    assert model.parameters == sum(size[0] * (size[1] if len(size) > 1 else 1) for size in held.values())


def test_what_the_configuration_shows_is_refused_before_a_weight_is_read(backend: Backend, copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not tensors")
    settings = model_settings(str(copied), quantization=backend.quantizations[0], device="cpu")
    check_settings(backend.name, settings, LORA)
    if backend.name != "unsloth":
        with pytest.raises(Refusal, match="'v_prj' is not a linear module"):
            check_settings(backend.name, settings, replace(LORA, target_modules=("v_prj",)))
