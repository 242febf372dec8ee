"""The mlx backend: mlx-lm on Apple silicon, and on Linux CPUs for tests; adapters that mlx-lm and PEFT both read."""

from __future__ import annotations

from training.backends.base import LoadedModel
from training.backends.local.sharding import in_processes
from training.backends.local.texts import Texts
from training.backends.mlx.choosing import choose_device, require_own_settings
from training.backends.mlx.exporting import export
from training.backends.mlx.loading import load_base, preview_targets, preview_texts
from training.backends.mlx.model import MlxModel
from training.records import LoraSettings, ModelSettings

__all__ = ["check", "export", "load", "text_choices", "texts"]


def load(settings: ModelSettings) -> LoadedModel:
    """Load the model of ``settings``, on a CPU in as many processes.

    Raises:
        Refusal: a setting is another backend's, or the model's files are missing or unfit.
    """
    require_own_settings(settings)
    choose_device(settings)
    return in_processes(__name__, settings, lambda: MlxModel(load_base(settings), settings))


def check(settings: ModelSettings, lora: LoraSettings) -> None:
    """Raise Refusal for what settings and the model's configuration already show to be unfit; no weight is read."""
    require_own_settings(settings)
    preview_targets(settings, lora)


def text_choices(settings: ModelSettings) -> dict[str, str]:
    """Return the tokenizer's choices, name -> "value: reason"; no weight is read. Raises Refusal when it is damaged."""
    return preview_texts(settings).choices


def texts(settings: ModelSettings) -> Texts:
    """Return the model's tokenizer with its end tokens; no weight is read. Raises Refusal when it is damaged."""
    return preview_texts(settings)
