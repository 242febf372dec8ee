"""The mlx backend: mlx-lm on Apple silicon, and on Linux CPUs for tests; adapters that mlx-lm and PEFT both read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.backends.base import LoadedModel
    from training.exports import ExportRequest, RoundTrip
    from training.records import LoraSettings, ModelSettings


def load(settings: ModelSettings) -> LoadedModel:
    """Load the model of ``settings``, on a CPU in as many processes.

    Raises:
        Refusal: a setting is another backend's, or the model's files are missing or unfit.
    """
    from training.backends.local.sharding import Shard, ShardedModel
    from training.backends.mlx.choosing import choose_device, require_own_settings
    from training.backends.mlx.loading import load_base
    from training.backends.mlx.model import MlxModel

    require_own_settings(settings)
    choose_device(settings)
    # started first: they load while this process does
    shards = [Shard(__name__, settings) for _ in range(settings.processes - 1)]
    try:
        model = MlxModel(load_base(settings), settings)
    except BaseException:
        for shard in shards:
            shard.close()
        raise
    return ShardedModel(model, shards) if shards else model


def check(settings: ModelSettings, lora: LoraSettings) -> None:
    """Raise Refusal for what settings and the model's configuration already show to be unfit; no weight is read."""
    from training.backends.mlx.choosing import require_own_settings
    from training.backends.mlx.loading import preview_targets

    require_own_settings(settings)
    preview_targets(settings, lora)


def export(settings: ModelSettings, request: ExportRequest, base_name: str) -> RoundTrip:
    """Write an adapter at its baked scale, or a fused model; see ``exporting.export``."""
    from training.backends.mlx.exporting import export as write_export

    return write_export(settings, request, base_name)
