"""Exactly the asked modules of the asked layers train; a router, an expert or a misspelt name is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import EXAMPLES, LORA, TRAIN, load
from tests.support.tiny_random import make_model
from training.backends.transformers_peft.lora import target_modules, trainable
from training.hooks import NoHooks


@pytest.fixture(scope="module")
def model(llama: Path) -> Any:
    return load(llama)


def test_exactly_the_requested_modules_of_the_requested_layers_train(model: Any) -> None:
    with trainable(model._loaded.model, LORA, seed=0) as wrapped:
        names = {name for name, parameter in wrapped.named_parameters() if parameter.requires_grad}
    expected = {
        f"base_model.model.model.layers.{layer}.self_attn.{module}.lora_{part}.default.weight"
        for layer in (1, 2)
        for module in ("q_proj", "v_proj")
        for part in "AB"
    }
    assert names == expected


def test_no_adapter_is_left_on_the_base(model: Any) -> None:
    before = {name: id(tensor) for name, tensor in model._loaded.model.named_parameters()}
    model.probe_step(EXAMPLES, LORA, TRAIN)
    assert {name: id(tensor) for name, tensor in model._loaded.model.named_parameters()} == before
    assert not model._loaded.model.training


def test_a_layer_named_from_both_ends_is_refused(model: Any) -> None:
    with pytest.raises(Refusal, match="names a layer twice"):
        target_modules(model._loaded.model, replace(LORA, layers=(2, -1)))


@pytest.mark.parametrize("name", ["gate", "router", "shared_expert_gate"])
def test_a_router_is_refused_by_name(name: str) -> None:
    layer = torch.nn.Module()
    layer.add_module("q_proj", torch.nn.Linear(4, 4))
    layer.add_module("gate_proj", torch.nn.Linear(4, 4))
    layer.add_module(name, torch.nn.Linear(4, 4))
    toy = torch.nn.Module()
    toy.add_module("layers", torch.nn.ModuleList([layer]))
    with pytest.raises(Refusal, match=f"layers.0.{name} is a router or expert module"):
        target_modules(toy, replace(LORA, target_modules=(name,), layers=()))
    assert target_modules(toy, replace(LORA, target_modules=("gate_proj",), layers=())) == ("layers.0.gate_proj",)


def test_an_expert_is_refused_by_name() -> None:
    experts = torch.nn.Module()
    experts.add_module("experts", torch.nn.ModuleList([torch.nn.Linear(4, 4)]))
    experts.experts[0].add_module("up_proj", torch.nn.Linear(4, 4))
    toy = torch.nn.Module()
    toy.add_module("layers", torch.nn.ModuleList([experts]))
    with pytest.raises(Refusal, match="up_proj is a router or expert module"):
        target_modules(toy, replace(LORA, target_modules=("up_proj",), layers=()))


@pytest.mark.parametrize("layout", ["mixtral", "gpt_oss"])
def test_attention_of_a_mixture_of_experts_trains_and_its_experts_do_not(layout: str, tmp_path: Path) -> None:
    mixture = load(make_model(tmp_path / "model", layout))
    result = mixture.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path / "out", NoHooks())
    assert (result.status, result.targets) == ("finished", 4)
    with pytest.raises(Refusal, match="'gate' is not a linear module"):
        target_modules(mixture._loaded.model, replace(LORA, target_modules=("gate",)))
