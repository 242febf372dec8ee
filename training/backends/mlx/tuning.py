"""A learner for as long as the base wears a trainable adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import mlx.core as mx

from env.refusal import Refusal
from training.backends.local.training_loop import Learner
from training.backends.mlx.fitting import MlxLearner
from training.backends.mlx.loading import Loaded
from training.backends.mlx.lora import trainable
from training.records import LoraSettings, TrainSettings


@contextmanager
def learning(loaded: Loaded, lora: LoraSettings, settings: TrainSettings) -> Iterator[Learner]:
    """Yield a learner; on exit the base is as before, adapter gone.

    Raises:
        Refusal: the model's format cannot train, or as ``lora.trainable``.
    """
    if loaded.dtype == mx.float16:
        raise Refusal(
            "model.dtype = 'float16': small gradients would vanish without loss scaling.",
            "Set model.dtype=auto, bfloat16 or float32.",
        )
    saving_memory = _recomputing(loaded.model.layers) if settings.gradient_checkpointing else nullcontext()
    with trainable(loaded.model, lora, settings.seed) as adapted, saving_memory:
        yield MlxLearner(loaded, adapted, lora, settings)


@contextmanager
def _recomputing(layers: list[Any]) -> Iterator[None]:
    """Make layers keep only their inputs in the forward pass and compute again in the backward one.

    mlx-lm's own switch changes the layers' class for the rest of the process; this one puts the class back.
    """
    original = {kind: kind.__call__ for kind in {type(layer) for layer in layers}}
    for kind, call in original.items():
        kind.__call__ = _checkpointed(call)
    try:
        yield
    finally:
        for kind, call in original.items():
            kind.__call__ = call


def _checkpointed(call: Callable[..., Any]) -> Callable[..., Any]:
    def again(layer: Any, *arguments: Any, **options: Any) -> Any:
        def inner(parameters: dict[str, Any], *arguments: Any, **options: Any) -> Any:
            layer.update(parameters)
            return call(layer, *arguments, **options)

        return mx.checkpoint(inner)(layer.trainable_parameters(), *arguments, **options)

    return again
