"""One base model held by mlx: it generates, applies an adapter, scores answers and trains on the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from training.backends.base import Sampling
from training.backends.local.adapter_folder import AdapterShelf
from training.backends.local.batched_model import BatchedModel, PromptSamples, RowStep
from training.backends.local.training_loop import Learner
from training.backends.mlx.adapters import read_fitting_adapter, worn
from training.backends.mlx.fitting import learning
from training.backends.mlx.generation import generate_batch
from training.backends.mlx.loading import Loaded
from training.backends.mlx.lora import adapter_sizes, target_modules
from training.records import LoraSettings, ModelSettings, TrainSettings


class MlxModel(BatchedModel):
    """A base model held by mlx; see ``training.backends.base.LoadedModel`` for what each method promises."""

    def __init__(self, loaded: Loaded, settings: ModelSettings) -> None:
        super().__init__(loaded, settings)
        self._loaded = loaded
        self._shelf = AdapterShelf(lambda folder: read_fitting_adapter(folder, loaded.identity.digest, loaded.model))

    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the natural-log probability of ``answer`` after ``prompt``, its end token left out."""
        before, after = self._texts.prompt(prompt), self._texts.answer(answer)
        if not after:
            return 0.0
        ids = mx.array([before + after])
        logits = self._loaded.model(ids)[0, len(before) - 1 : -1].astype(mx.float32)
        chances = nn.log_softmax(logits, axis=-1)
        chosen = mx.take_along_axis(chances, mx.array(after)[:, None], axis=-1)
        return float(np.array(chosen).astype(np.float64).sum())

    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> Iterator[RowStep]:
        return generate_batch(self._loaded.model, self._loaded.windows, self._texts, prompts, settings)

    def _worn(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        return worn(self._loaded.model, self._shelf.take(folder), scale)

    def _adapter_sizes(self, lora: LoraSettings) -> dict[str, int]:
        return adapter_sizes(self._loaded.model, target_modules(self._loaded.model, lora), lora)

    def _learning(self, lora: LoraSettings, train: TrainSettings) -> AbstractContextManager[Learner]:
        return learning(self._loaded, lora, train)

    def _free_memory(self) -> None:
        mx.clear_cache()
