"""One base model held by transformers: it generates, applies an adapter, scores an answer and trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from training.backends.base import Sampling
from training.backends.local.adapter_folder import AdapterShelf
from training.backends.local.batched_model import BatchedModel, PromptSamples, RowStep
from training.backends.local.training_loop import Learner
from training.backends.transformers_peft.adapters import read_adapter, worn
from training.backends.transformers_peft.fitting import learning, trainable_here
from training.backends.transformers_peft.generation import generate_batch
from training.backends.transformers_peft.loading import Loaded, dequantized_copy
from training.backends.transformers_peft.lora import adapter_sizes, target_modules
from training.backends.transformers_peft.loss.chunked_loss import loss_of
from training.records import LoraSettings, ModelSettings, TrainSettings


class TransformersModel(BatchedModel):
    """A base model held by transformers; see ``training.backends.base.LoadedModel`` for what each method promises."""

    def __init__(self, loaded: Loaded, settings: ModelSettings) -> None:
        super().__init__(loaded, settings)
        self._loaded = loaded
        self._shelf = AdapterShelf(lambda folder: read_adapter(folder, loaded.identity.digest, self._evaluated))

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

    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> Iterator[RowStep]:
        return generate_batch(self._evaluated, self._texts, prompts, settings)

    def _worn(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        return worn(self._evaluated, self._shelf.take(folder), scale)

    def _adapter_sizes(self, lora: LoraSettings) -> dict[str, int]:
        return adapter_sizes(self._loaded.model, target_modules(self._loaded.model, lora), lora)

    def _learning(self, lora: LoraSettings, train: TrainSettings) -> AbstractContextManager[Learner]:
        return learning(trainable_here(self._loaded.model, lora, train), train, loss_of(train))

    def _free_memory(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            # an error that the device keeps is raised here, and not by the next batch
            torch.cuda.synchronize()
