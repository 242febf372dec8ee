"""One base model held by transformers: it generates, wears an adapter, scores an answer and trains, all on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from training.backends.base import Completion, Sampling
from training.backends.batched_model import BatchedModel, PromptSamples
from training.backends.transformers_peft.adapters import AdapterShelf, worn
from training.backends.transformers_peft.generation import generate_batch
from training.backends.transformers_peft.loading import Loaded, dequantized_copy
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, ModelSettings, TrainResult, TrainSettings

if TYPE_CHECKING:
    from training.backends.transformers_peft.tuning import Method


class TransformersModel(BatchedModel):
    """A base model held by transformers; see ``training.backends.base.LoadedModel`` for what each method promises."""

    def __init__(self, loaded: Loaded, settings: ModelSettings) -> None:
        super().__init__(loaded, settings)
        self._loaded = loaded
        self._shelf = AdapterShelf(loaded.identity.digest)

    @cached_property
    def _evaluated(self) -> Any:
        """The model that generates and scores: made at first use, since training needs none."""
        model = self._loaded.model
        return dequantized_copy(model) if self._loaded.dequantized_evaluation else model

    @torch.inference_mode()
    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the natural-log probability of ``answer`` after ``prompt``, its end token left out."""
        before, after = self._texts.prompt(prompt), self._texts.answer(answer)
        if not after:
            return 0.0
        ids = torch.tensor([before + after], device=self._evaluated.device)
        logits = self._evaluated(input_ids=ids, use_cache=False).logits[0, len(before) - 1 : -1]
        chances = logits.double().log_softmax(dim=-1)
        return float(chances.gather(1, ids[0, len(before) :, None]).sum())

    def train(
        self,
        examples: Sequence[Example],
        lora: LoraSettings,
        train: TrainSettings,
        folder: Path,
        hooks: TrainHooks,
    ) -> TrainResult:
        """Train an adapter into checkpoints under ``folder``, going on from the newest verified one.

        Raises:
            Refusal: settings or examples do not fit the model, or the checkpoints are of another run.
            TrainingDiverged: a loss or gradient was not finite.
        """
        from training.backends.transformers_peft.tuning import train_adapter

        self._require_bare("train")
        data = self._encode(examples, train)
        return train_adapter(self._loaded, data, lora, train, folder, hooks, self._method())

    def probe_step(self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings) -> float:
        """Return the loss of one real forward and backward on the longest rows; nothing is kept.

        Raises:
            Refusal: settings or examples do not fit the model.
        """
        from training.backends.transformers_peft.tuning import probe

        self._require_bare("probe_step")
        return probe(self._loaded, self._encode(examples, train), lora, train, self._method())

    def _method(self) -> Method | None:
        """How an adapter is put on and its loss computed; None is this library's plain way."""
        return None

    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> list[list[Completion]]:
        return generate_batch(self._evaluated, self._texts, prompts, settings)

    def _worn(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        return worn(self._evaluated, self._shelf.take(folder, self._evaluated), scale)

    def _ran_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)

    def _free_memory(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
