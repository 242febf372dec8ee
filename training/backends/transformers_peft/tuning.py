"""A learner for as long as the base wears a trainable adapter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from training.backends.local.training_loop import Learner
from training.backends.transformers_peft.fitting import Loss, TorchLearner
from training.backends.transformers_peft.lora import trainable
from training.records import LoraSettings, TrainSettings


@contextmanager
def learning(adapted: AbstractContextManager[Any], settings: TrainSettings, loss: Loss) -> Iterator[Learner]:
    """Yield the learner of the PEFT model that ``adapted`` yields; torch's random numbers are left as they were."""
    with adapted as model:
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            yield TorchLearner(model, settings, loss)


@contextmanager
def trainable_here(model: Any, lora: LoraSettings, settings: TrainSettings) -> Iterator[Any]:
    """Yield ``model`` with a fresh adapter, with gradient checkpointing where asked. Raises as ``lora.trainable``."""
    with trainable(model, lora, settings.seed) as wrapped:
        if not settings.gradient_checkpointing:
            yield wrapped
            return
        # transformers renames these two; the old names serve every version we allow
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})
            try:
                yield wrapped
            finally:
                model.gradient_checkpointing_disable()
