"""The transformers backend: causal language models of the Hugging Face hub, NF4 by bitsandbytes, adapters by PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.backends.base import LoadedModel
    from training.records import ModelSettings


def load(settings: ModelSettings) -> LoadedModel:
    """Load the model of ``settings``, in as many processes. Raises Refusal when its files are missing or unfit."""
    from training.backends.sharding import Shard, ShardedModel
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
