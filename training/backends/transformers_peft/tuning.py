"""Training and probing on a loaded base: the base wears a trainable adapter for as long as the loop runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from env.refusal import Refusal
from training.backends.training_call import Status, train_from_newest
from training.backends.transformers_peft.fitting import Fit, batch_loss, fit
from training.backends.transformers_peft.loading import Loaded
from training.backends.transformers_peft.lora import adapter_sizes, target_modules, trainable
from training.examples import EncodedExamples, TokenRow
from training.hooks import TrainHooks
from training.records import AdapterCheckpoint, LoraSettings, TrainResult, TrainSettings


@dataclass(frozen=True, slots=True)
class Method:
    """How a library puts a fresh adapter on a model, and how it computes ``fitting.batch_loss``."""

    wear: Callable[[Any, LoraSettings, TrainSettings], AbstractContextManager[Any]]
    loss: Callable[[Any, Sequence[TokenRow]], tuple[Tensor, int]]


def train_adapter(
    loaded: Loaded,
    data: EncodedExamples,
    lora: LoraSettings,
    settings: TrainSettings,
    folder: Path,
    hooks: TrainHooks,
    method: Method | None = None,
) -> TrainResult:
    """Train to ``max_steps`` from the newest verified checkpoint; with none left to do, return at once.

    Raises:
        Refusal: the checkpoints are of another run, or as ``target_modules``.
        TrainingDiverged: a loss or gradient was not finite.
    """
    targets = target_modules(loaded.model, lora)
    sizes = adapter_sizes(loaded.model, targets, lora)
    method = method or Method(_worn_for_training, batch_loss)
    run = Fit(loaded.model, data, lora, settings, loaded.identity.digest, folder, hooks, targets, method.loss)

    def loop(known: Sequence[AdapterCheckpoint]) -> tuple[Status, int, list[AdapterCheckpoint]]:
        with method.wear(loaded.model, lora, settings) as wrapped:
            return fit(replace(run, model=wrapped), known)

    return train_from_newest(folder, data, sizes, run.facts, settings.max_steps, loop)


def probe(
    loaded: Loaded, data: EncodedExamples, lora: LoraSettings, settings: TrainSettings, method: Method | None = None
) -> float:
    """Return the loss (nats per answer token) of one forward and backward on the longest rows; nothing is kept.

    Raises:
        Refusal: as ``train_adapter``, or a parameter of the adapter got no gradient.
    """
    longest = sorted(data.rows, key=lambda row: -len(row.ids))[: settings.batch_size]
    method = method or Method(_worn_for_training, batch_loss)
    with method.wear(loaded.model, lora, settings) as wrapped, torch.random.fork_rng(devices=[]):
        wrapped.train()
        summed, tokens = method.loss(wrapped, longest)
        summed.backward()  # type: ignore[no-untyped-call]
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                raise Refusal(f"{name} got no gradient: the adapter would not train.")
    return float(summed.detach()) / tokens


@contextmanager
def _worn_for_training(model: Any, lora: LoraSettings, settings: TrainSettings) -> Iterator[Any]:
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
