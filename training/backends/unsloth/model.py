"""One base model loaded by unsloth: it generates, wears an adapter, scores an answer and trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.backends.base import Completion, Sampling
from training.backends.transformers_peft.generation import PromptSamples
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
        self._worn: Any = loaded.model

    @property
    def _evaluated(self) -> Any:
        return self._worn

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        """Apply the adapter in ``folder`` at ``scale``; the base is restored exactly on exit.

        Raises:
            Refusal: the folder holds no usable adapter, or one of another base.
        """
        if self._is_wearing:
            raise RuntimeError("an adapter is worn already: leave its block first")
        self._shelf.take(folder, self._loaded.model)
        self._is_wearing = True
        try:
            with worn(self._loaded.model, folder, scale) as wearing:
                self._worn = wearing
                yield
        finally:
            self._worn = self._loaded.model
            self._is_wearing = False

    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> list[list[Completion]]:
        return generate_batch(self._worn, self._texts, prompts, settings)

    def _method(self) -> Method:
        return Method(trainable, loss_of_batch)
