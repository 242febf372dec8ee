"""Putting a trainable adapter on a base model: exactly the modules asked for, never a router or an expert."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from env.refusal import Refusal, choices_hint
from training.backends.transformers_peft.loading import linear_modules
from training.checkpoints import ADAPTER_WEIGHTS
from training.records import LoraSettings

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
# expert routing must not move: trained router weights change which parameters answer
_FORBIDDEN = re.compile(r"\.(router|gate|experts|shared_experts?|shared_expert_gate|sinks)(\.|$)")


def target_modules(model: nn.Module, lora: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that get an adapter, in model order.

    Raises:
        Refusal: a layer is out of range, a name matches no linear module in the asked layers, or a match is a router
            or an expert.
    """
    by_layer = [(name, int(found[1])) for name, _ in linear_modules(model) if (found := _LAYER.search(name))]
    count = max((layer for _, layer in by_layer), default=-1) + 1
    layers = _layer_numbers(lora, count)
    inside = [name for name, layer in by_layer if layer in layers]
    choices = {_last(name) for name in inside if not _FORBIDDEN.search(name)}
    for asked in lora.target_modules:
        if asked not in {_last(name) for name in inside}:
            raise Refusal(
                f"lora.target_modules: {asked!r} is no linear module in layers {_spell(layers)} of this model.",
                choices_hint(asked, choices),
            )
    targets = tuple(name for name in inside if _last(name) in lora.target_modules)
    for name in targets:
        if _FORBIDDEN.search(name):
            raise Refusal(
                f"lora.target_modules: {name} is a router or expert module, which must not train.",
                f"Leave {_last(name)!r} out. " + choices_hint("", choices),
            )
    return targets


@contextmanager
def trainable(model: Any, lora: LoraSettings, seed: int) -> Iterator[Any]:
    """Yield the PEFT model with a fresh adapter on ``model``; on exit the base is as before, adapter gone.

    Raises:
        Refusal: as ``target_modules``, or another parameter than the asked ones would train.
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
        # PEFT asks transformers by a name it is about to lose
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        wrapped = get_peft_model(model, config)
    try:
        _require_only(wrapped, targets)
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


def lora_facts(lora: LoraSettings) -> dict[str, Any]:
    """Return the settings as plain JSON data."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(lora).items()}


def _require_only(wrapped: Any, targets: tuple[str, ...]) -> None:
    """Check the library's work: the adapted modules are the asked ones, and only their adapters train."""
    adapted = {
        name.removeprefix("base_model.model.") for name, module in wrapped.named_modules() if hasattr(module, "lora_A")
    }
    if adapted != set(targets):
        odd = ", ".join(sorted(adapted ^ set(targets))[:3])
        raise Refusal(f"The adapter did not land on the asked modules: {odd}.")
    for name, parameter in wrapped.named_parameters():
        if parameter.requires_grad and ("lora_" not in name or _FORBIDDEN.search(name)):
            raise Refusal(f"{name} would train, and is not part of the asked adapter.")


def _layer_numbers(lora: LoraSettings, count: int) -> set[int]:
    for layer in lora.layers:
        if not -count <= layer < count:
            raise Refusal(
                f"lora.layers: {layer} is out of range, the model has {count} layers.",
                f"Use 0 to {count - 1}, or -{count} to -1 counted from the last.",
            )
    numbers = {layer % count for layer in lora.layers}
    if len(numbers) < len(lora.layers):
        raise Refusal(f"lora.layers: {list(lora.layers)} names a layer twice, the model has {count}.")
    return numbers or set(range(count))


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _spell(layers: set[int]) -> str:
    numbers = sorted(layers)
    contiguous = numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else False
    return f"{numbers[0]}-{numbers[-1]}" if contiguous and len(numbers) > 1 else ", ".join(map(str, numbers))
