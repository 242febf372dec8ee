"""The transformers backend: causal language models of the Hugging Face hub, NF4 by bitsandbytes, adapters by PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.backends.base import LoadedModel
    from training.exports import ExportRequest, RoundTrip
    from training.records import LoraSettings, ModelSettings


def load(settings: ModelSettings) -> LoadedModel:
    """Load the model of ``settings``, in as many processes. Raises Refusal when its files are missing or unfit."""
    from training.backends.local.sharding import Shard, ShardedModel
    from training.backends.transformers_peft.loading import load_base
    from training.backends.transformers_peft.model import TransformersModel

    # started first: they load while this process does
    shards = [Shard(__name__, settings) for _ in range(settings.processes - 1)]
    try:
        model = TransformersModel(load_base(settings), settings)
    except BaseException:
        for shard in shards:
            shard.close()
        raise
    return ShardedModel(model, shards) if shards else model


def check(settings: ModelSettings, lora: LoraSettings) -> None:
    """Raise Refusal for what the model's configuration already shows to be unfit; no weight is read."""
    from training.backends.transformers_peft.preview import check as check_configuration

    check_configuration(settings, lora)


def text_choices(settings: ModelSettings) -> dict[str, str]:
    """Return the tokenizer's choices, name -> "value: reason"; no weight is read. Raises Refusal when it is damaged."""
    from training.backends.transformers_peft.preview import text_choices as choices_of_tokenizer

    return choices_of_tokenizer(settings)


def export(settings: ModelSettings, request: ExportRequest, base_name: str) -> RoundTrip:
    """Write an adapter at its baked scale, or a merged model; see ``exporting.export``."""
    from training.backends.transformers_peft.exporting import export as write_export

    return write_export(settings, request, base_name)
