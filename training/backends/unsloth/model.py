"""One base model held by unsloth: as transformers', with unsloth's training, generation and way of wearing adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from training.backends.base import Completion, Sampling
from training.backends.batched_model import PromptSamples
from training.backends.transformers_peft.loading import Loaded
from training.backends.transformers_peft.model import TransformersModel
from training.backends.transformers_peft.tuning import Method
from training.backends.unsloth.adapting import loss_of_batch, trainable, worn
from training.backends.unsloth.generating import generate_batch
from training.records import ModelSettings


class UnslothModel(TransformersModel):
    """A base model held by unsloth; see ``training.backends.base.LoadedModel`` for what each method promises."""

    def __init__(self, loaded: Loaded, settings: ModelSettings) -> None:
        super().__init__(loaded, settings)
        # the base itself, or the PEFT model around it while an adapter is worn
        self._computing: Any = loaded.model

    @property
    def _evaluated(self) -> Any:
        return self._computing

    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> list[list[Completion]]:
        return generate_batch(self._computing, self._texts, prompts, settings)

    def _method(self) -> Method:
        return Method(trainable, loss_of_batch)

    def _worn(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        self._shelf.take(folder, self._loaded.model)
        return self._wearing(folder, scale)

    @contextmanager
    def _wearing(self, folder: Path, scale: float) -> Iterator[None]:
        try:
            with worn(self._loaded.model, folder, scale) as wrapped:
                self._computing = wrapped
                yield
        finally:
            self._computing = self._loaded.model
