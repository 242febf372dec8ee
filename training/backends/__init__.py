"""The backends: a table from name to module, and the one function that loads a model for measuring and training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from env.refusal import Refusal, choices_hint

if TYPE_CHECKING:
    from training.backends.base import LoadedModel
    from training.records import ModelSettings

# each module offers load(settings) -> LoadedModel; nothing heavy is imported before it is asked for
BACKENDS: dict[str, str] = {
    "transformers_peft": "training.backends.transformers_peft",
    "unsloth": "training.backends.unsloth",
    "mlx": "training.backends.mlx",
}


def load_model(backend: str, settings: ModelSettings) -> LoadedModel:
    """Return the model loaded by ``backend``.

    Raises:
        Refusal: the backend is unknown or not installed, or the model's files are missing or unfit.
    """
    if backend not in BACKENDS:
        raise Refusal(f"backend = {backend!r} is unknown.", choices_hint(backend, BACKENDS))
    model: LoadedModel = import_module(BACKENDS[backend]).load(settings)
    return model
