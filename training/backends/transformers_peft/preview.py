"""What can be refused before a weight is read: settings that the model's configuration already shows to be unfit."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from training.backends.local.model_folder import model_folder, require_files
from training.backends.local.texts import Texts
from training.backends.transformers_peft.choosing import choose_device, choose_dtype
from training.backends.transformers_peft.loading import quiet_library, read_config, texts_of
from training.backends.transformers_peft.lora import target_modules
from training.records import LoraSettings, ModelSettings


def check(settings: ModelSettings, lora: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that an adapter would train, from the configuration alone.

    Raises:
        Refusal: files are missing, the device cannot hold the model, or a module or layer does not exist or must not
            train.
    """
    quiet_library()
    device, _ = choose_device(settings)
    choose_dtype(settings, device)
    folder = model_folder(settings.path, settings.revision)
    require_files(folder)
    config = read_config(folder, settings)
    return target_modules(_skeleton(config), lora)


def texts(settings: ModelSettings) -> Texts:
    """Return the model's tokenizer with its end tokens. Raises Refusal if it is damaged."""
    quiet_library()
    folder = model_folder(settings.path, settings.revision)
    return texts_of(folder, read_config(folder, settings))


def text_choices(settings: ModelSettings) -> dict[str, str]:
    """Return the tokenizer's settings that affect results, name -> "value: reason". Raises Refusal if it is damaged."""
    return texts(settings).choices


def _skeleton(config: Any) -> Any:
    """Return the model without storage: its modules have names and shapes, and cost no memory."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
