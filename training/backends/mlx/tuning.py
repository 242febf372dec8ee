"""Training and probing on a loaded base: the base wears a trainable adapter for as long as the loop runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from env.refusal import Refusal
from training.backends.mlx.fitting import Fit, answer_tokens, batch_arrays, fit, make_learner, run_facts
from training.backends.mlx.loading import Loaded
from training.backends.mlx.lora import adapter_sizes, target_modules, trainable
from training.backends.training_call import Status, train_from_newest
from training.examples import EncodedExamples
from training.hooks import TrainHooks
from training.records import AdapterCheckpoint, LoraSettings, TrainResult, TrainSettings


def train_adapter(
    loaded: Loaded,
    data: EncodedExamples,
    lora: LoraSettings,
    settings: TrainSettings,
    folder: Path,
    hooks: TrainHooks,
) -> TrainResult:
    """Train to ``max_steps`` from the newest verified checkpoint; with none left to do, return at once.

    Raises:
        Refusal: the model's format cannot train, the checkpoints are of another run, or as ``target_modules``.
        TrainingDiverged: a loss or gradient was not finite.
    """
    _require_trainable_format(loaded)
    sizes = adapter_sizes(loaded.model, target_modules(loaded.model, lora), lora)
    digest = loaded.identity.digest

    def loop(known: Sequence[AdapterCheckpoint]) -> tuple[Status, int, list[AdapterCheckpoint]]:
        with _worn_for_training(loaded.model, lora, settings) as adapted:
            return fit(Fit(loaded.model, adapted, data, lora, settings, digest, loaded.compiled, folder, hooks), known)

    facts = run_facts(data, lora, settings, digest)
    return train_from_newest(folder, data, sizes, facts, settings.max_steps, loop)


def probe(loaded: Loaded, data: EncodedExamples, lora: LoraSettings, settings: TrainSettings) -> float:
    """Return the loss (nats per answer token) of one forward and backward on the longest rows; nothing is kept.

    Raises:
        Refusal: as ``train_adapter``, or a parameter of the adapter got no gradient.
    """
    _require_trainable_format(loaded)
    longest = sorted(data.rows, key=lambda row: -len(row.ids))[: settings.batch_size]
    with _worn_for_training(loaded.model, lora, settings):
        loaded.model.train()
        learner = make_learner(loaded.model, settings, compiled=False)
        total = mx.array(answer_tokens(longest), dtype=mx.float32)
        loss, gradients = learner.gradients(*batch_arrays(longest, 1), total)
        mx.eval(loss, gradients)
        wanted = {name for name, _ in tree_flatten(loaded.model.trainable_parameters())}
        for name in sorted(wanted - {name for name, _ in tree_flatten(gradients)}):
            raise Refusal(f"{name} got no gradient: the adapter would not train.")
    return float(loss.item())


@contextmanager
def _worn_for_training(model: Any, lora: LoraSettings, settings: TrainSettings) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        adapted = stack.enter_context(trainable(model, lora, settings.seed))
        if settings.gradient_checkpointing:
            stack.enter_context(_recomputing(model.layers))
        yield adapted


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


def _require_trainable_format(loaded: Loaded) -> None:
    if loaded.dtype == mx.float16:
        raise Refusal(
            "model.dtype = 'float16': small gradients would vanish without loss scaling.",
            "Set model.dtype=auto, bfloat16 or float32.",
        )
