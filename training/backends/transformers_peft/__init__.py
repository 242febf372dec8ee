"""The transformers backend: causal language models of the Hugging Face hub, NF4 by bitsandbytes, adapters by PEFT."""

from __future__ import annotations

from training.backends.base import LoadedModel
from training.backends.local.sharding import in_processes
from training.backends.transformers_peft.choosing import choose_device
from training.backends.transformers_peft.exporting import export
from training.backends.transformers_peft.loading import load_base
from training.backends.transformers_peft.model import TransformersModel
from training.backends.transformers_peft.preview import check, text_choices, texts
from training.records import ModelSettings

__all__ = ["check", "export", "load", "text_choices", "texts"]


def load(settings: ModelSettings) -> LoadedModel:
    """Load the model of ``settings``, in as many processes. Raises Refusal when its files are missing or unfit."""
    # refused here, before further processes start
    device, _ = choose_device(settings)
    return in_processes(
        __name__, settings, lambda: TransformersModel(load_base(settings), settings), card_each=device == "cuda"
    )
