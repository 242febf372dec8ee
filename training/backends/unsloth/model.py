"""One base model held by unsloth: like transformers', with unsloth's training and, where available, its kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from training.backends.base import Sampling
from training.backends.local.batched_model import PromptSamples, RowStep, trains_no_pairs
from training.backends.local.training_loop import Learner
from training.backends.transformers_peft.fitting import learning
from training.backends.transformers_peft.loading import Loaded
from training.backends.transformers_peft.model import TransformersModel
from training.backends.unsloth.adapting import loss_of_batch, trainable, worn
from training.backends.unsloth.forwards import patched_by
from training.backends.unsloth.generating import generate_batch
from training.examples import EncodedExamples
from training.records import LoraSettings, ModelSettings, PreferenceSettings, TrainSettings


def held(loaded: Loaded, settings: ModelSettings) -> UnslothModel:
    """Return ``loaded`` as a model that generates in the way its code allows; ``choices`` says which and why."""
    patch = patched_by(loaded.model)
    if patch is not None:
        reason = f"the library's loop, each sample reads its prompt: unsloth's own code computes ({patch})"
        loaded.choices["generation"] = reason
        return PatchedModel(loaded, settings)
    loaded.choices["generation"] = "our loop, a prompt is read once for its samples: transformers' own code computes"
    return UnslothModel(loaded, settings)


class UnslothModel(TransformersModel):
    """A model that unsloth loads and trains, and that computes with transformers' code."""

    def _learning(self, lora: LoraSettings, train: TrainSettings) -> AbstractContextManager[Learner]:
        return learning(trainable(self._loaded.model, lora, train), train, loss_of_batch)

    def _learning_pairs(
        self,
        lora: LoraSettings,
        train: TrainSettings,
        preference: PreferenceSettings,
        data: EncodedExamples,
        start: Path | None,
    ) -> AbstractContextManager[Learner]:
        # unsloth's own code returns the loss of a batch, not of a row
        raise trains_no_pairs()


class PatchedModel(UnslothModel):
    """A model whose decoder is unsloth's: it generates through the library and applies adapters through PEFT."""

    def __init__(self, loaded: Loaded, settings: ModelSettings) -> None:
        super().__init__(loaded, settings)
        # the base itself, or the PEFT model around it while an adapter is applied
        self._computing: Any = loaded.model

    @property
    def _evaluated(self) -> Any:
        return self._computing

    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> Iterator[RowStep]:
        return generate_batch(self._computing, self._texts, prompts, settings)

    def _worn(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        self._shelf.take(folder)
        return self._wearing(folder, scale)

    @contextmanager
    def _wearing(self, folder: Path, scale: float) -> Iterator[None]:
        try:
            with worn(self._loaded.model, folder, scale) as wrapped:
                self._computing = wrapped
                yield
        finally:
            self._computing = self._loaded.model
