"""Putting a trainable adapter on a base model: exactly the requested modules, never a router or an expert."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from env.refusal import Refusal
from training.backends.local.targets import is_forbidden, select_targets
from training.backends.transformers_peft.loading import linear_modules
from training.checkpoints import ADAPTER_WEIGHTS
from training.records import LoraSettings


def target_modules(model: nn.Module, lora: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that get an adapter, in model order.

    Raises:
        Refusal: a layer is out of range, a name matches no linear module in the requested layers, or a match is a
        router
            or an expert.
    """
    return select_targets([name for name, _ in linear_modules(model)], lora)


@contextmanager
def trainable(model: Any, lora: LoraSettings, seed: int) -> Iterator[Any]:
    """Yield the PEFT model with a fresh adapter on ``model``; on exit the base is as before, adapter gone.

    Raises:
        Refusal: as ``target_modules``, or a parameter that was not requested would train.
    """
    from peft import LoraConfig, get_peft_model

    targets = target_modules(model, lora)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(targets),
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # PEFT uses a name of transformers that is deprecated
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        wrapped = get_peft_model(model, config)
    try:
        require_only(wrapped, adapter_sizes(model, targets, lora))
        yield wrapped
    finally:
        wrapped.unload()
        if hasattr(model, "peft_config"):
            del model.peft_config
        model.requires_grad_(False)
        model.eval()


def save_adapter(wrapped: Any, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors, as PEFT lays them out, into ``folder``."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in get_peft_model_state_dict(wrapped, save_embedding_layers=False).items()
    }
    # bytes first: a full disk is then an OSError, which is explained
    (folder / ADAPTER_WEIGHTS).write_bytes(save(state, metadata={"format": "pt"}))
    config = wrapped.peft_config["default"]
    if isinstance(config.target_modules, set):
        # a set's order changes from process to process, and would change the file's bytes
        config.target_modules = sorted(config.target_modules)
    config.inference_mode = True
    config.save_pretrained(folder)
    config.inference_mode = False


def load_adapter(wrapped: Any, folder: Path) -> None:
    """Set the adapter's tensors to those in ``folder``, bit for bit."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    missing = set_peft_model_state_dict(wrapped, load_file(folder / ADAPTER_WEIGHTS))
    left = [name for name in missing.missing_keys if "lora_" in name]
    if left or missing.unexpected_keys:
        raise Refusal(f"{folder}: its adapter does not fit: {', '.join([*left, *missing.unexpected_keys][:3])}.")


def adapter_sizes(model: nn.Module, targets: tuple[str, ...], lora: LoraSettings) -> dict[str, int]:
    """Return the elements of every parameter that ``lora`` trains on the modules ``targets``, by its name on disk."""
    sizes: dict[str, int] = {}
    for name in targets:
        module: Any = model.get_submodule(name)
        sizes[f"{name}.lora_A.weight"] = lora.r * module.in_features
        sizes[f"{name}.lora_B.weight"] = lora.r * module.out_features
        if lora.dora:
            sizes[f"{name}.lora_magnitude_vector"] = int(module.out_features)
    return sizes


def require_only(wrapped: Any, sizes: dict[str, int]) -> None:
    """Check the library's work: exactly the requested adapter's parameters would train."""
    training = {
        _name_on_disk(name): parameter.numel()
        for name, parameter in wrapped.named_parameters()
        if parameter.requires_grad
    }
    for name in training:
        if is_forbidden(name):
            raise Refusal(f"{name} would train, and belongs to a router or an expert.")
    odd = sorted(name for name in {*training, *sizes} if training.get(name) != sizes.get(name))
    if odd:
        raise Refusal(f"The adapter is not the requested one: {', '.join(odd[:3])}.")


def _name_on_disk(name: str) -> str:
    """Return the name under which PEFT saves a parameter, without its prefix."""
    plain = name.removeprefix("base_model.model.").replace(".default", "")
    return plain.removesuffix(".weight") if plain.endswith("lora_magnitude_vector.weight") else plain
