"""The unsloth backend: unsloth's patched models and kernels, one process, adapters by PEFT.

unsloth rewrites transformers when it is imported: it must be imported first, and only here, in its own process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.backends.base import LoadedModel
    from training.backends.local.texts import Texts
    from training.exports import ExportRequest, RoundTrip
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


def export(settings: ModelSettings, request: ExportRequest, base_name: str) -> RoundTrip:
    """Write an adapter or a merged model into ``request.to`` and return how it compares when read back.

    A base is merged into by transformers' code, unpatched, in which it is stored and loaded afterwards.

    Raises:
        Refusal: as ``unsloth.exporting``; the base to merge into is one that only unsloth loads, or the adapter is no
            such one.
    """
    if request.form == "merged":
        from training.backends.transformers_peft.exporting import export as export_by_transformers

        return export_by_transformers(settings, request, base_name)
    from training.backends.unsloth.starting import start

    started = start(settings)
    from training.backends.unsloth.exporting import export_adapter_form

    return export_adapter_form(settings, request, base_name, started)


def texts(settings: ModelSettings) -> Texts:
    """Return the model's tokenizer with its end tokens, as transformers reads it. Raises Refusal when it is damaged."""
    from training.backends.transformers_peft.preview import texts as read_texts

    return read_texts(settings)
