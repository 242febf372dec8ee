"""The unsloth backend: unsloth's patched models and kernels, one process, adapters by PEFT.

unsloth rewrites transformers when it is imported: it must be imported first, and only here, in its own process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.backends.base import LoadedModel
    from training.backends.local.texts import Texts
    from training.records import LoraSettings, ModelSettings


def check(settings: ModelSettings, lora: LoraSettings) -> None:
    """Raise Refusal, before the library is imported, where it is missing, too old, or does not support ``settings``."""
    from training.backends.unsloth.starting import require_possible

    require_possible(settings, lora.dora)


def load(settings: ModelSettings) -> LoadedModel:
    """Load the model of ``settings``. Raises Refusal when the library or the model's files are missing or unfit."""
    from training.backends.unsloth.starting import start

    started = start(settings)
    from training.backends.unsloth.loading import load_base
    from training.backends.unsloth.model import held

    return held(load_base(settings, started), settings)


def texts(settings: ModelSettings) -> Texts:
    """Return the model's tokenizer with its end tokens, as transformers reads it. Raises Refusal when it is damaged."""
    from training.backends.transformers_peft.preview import texts as read_texts

    return read_texts(settings)
