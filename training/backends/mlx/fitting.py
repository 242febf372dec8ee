"""Fitting an adapter in mlx, step by step: answer-only loss on the base as it is held, AdamW, both kept exactly.

mlx-lm's trainer saves weights alone. Not covered: GPU kernels that add in changing order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.optimizers import AdamW
from mlx.utils import tree_flatten, tree_map, tree_map_with_path

from env.refusal import Refusal
from training.backends.local.training_loop import OPTIMIZER_FILE, Learner
from training.backends.mlx.loading import Loaded
from training.backends.mlx.lora import load_adapter, save_adapter, trainable
from training.examples import TokenRow, answer_tokens
from training.needs.disk import checkpoint_bytes
from training.records import LoraSettings, TrainSettings

# compiled steps are compiled again for each new width, so widths are few
COMPILED_WIDTH = 32

Gradients = dict[str, Any]


@contextmanager
def learning(loaded: Loaded, lora: LoraSettings, settings: TrainSettings) -> Iterator[Learner]:
    """Yield a learner; on exit the base is as before, adapter gone.

    Raises:
        Refusal: the model's format cannot train, ``settings`` ask for logits in chunks or packed rows, or as
            ``lora.trainable``.
    """
    if loaded.dtype == mx.float16:
        raise Refusal(
            "model.dtype = 'float16': small gradients would vanish without loss scaling.",
            "Set model.dtype=auto, bfloat16 or float32.",
        )
    if settings.logit_chunk:
        raise Refusal(
            f"gate.c.train.logit_chunk={settings.logit_chunk}: mlx computes the logits of a batch at once.",
            "Set gate.c.train.logit_chunk=0.",
        )
    if settings.packing:
        raise Refusal(
            "gate.c.train.packing=true: mlx-lm's models count positions through a row, packed or not.",
            "Set gate.c.train.packing=false.",
        )
    saving_memory = _recomputing(loaded.model.layers) if settings.gradient_checkpointing else nullcontext()
    with trainable(loaded.model, lora, settings.seed) as adapted, saving_memory:
        yield MlxLearner(loaded, adapted, lora, settings)


class MlxLearner:
    """A base with mlx-lm's ``adapted`` modules on it; see ``training_loop.Learner`` for what each method promises."""

    def __init__(self, loaded: Loaded, adapted: dict[str, Any], lora: LoraSettings, settings: TrainSettings) -> None:
        self._base_digest = loaded.identity.digest
        self._model = loaded.model
        self._adapted = adapted
        self._lora = lora
        self._max_grad_norm = settings.max_grad_norm
        self._optimizer = new_optimizer(self._model, settings)
        self._value_and_grad = nn.value_and_grad(self._model, self._mean_loss)
        self._gradients, self._update, self._width = self._value_and_grad, self._clipped_update, 1
        if loaded.compiled:
            self._compile()
        self.adapter_bytes = sum(array.nbytes for _, array in tree_flatten(self._model.trainable_parameters()))
        # a checkpoint holds the adapter twice, in each library's layout
        self.checkpoint_bytes = checkpoint_bytes(self.adapter_bytes) + self.adapter_bytes
        self._model.train()

    def train_step(self, batches: Sequence[Sequence[TokenRow]], learning_rate: float, seed: int) -> tuple[float, float]:
        """Make one optimizer step; a loss that is not finite changes nothing, such a gradient damages the adapter."""
        mx.random.seed(seed)
        total = mx.array(sum(answer_tokens(rows) for rows in batches), dtype=mx.float32)
        loss, accumulated = 0.0, None
        for rows in batches:
            value, gradient = self._gradients(*batch_arrays(rows, self._width), total)
            accumulated = gradient if accumulated is None else tree_map(mx.add, accumulated, gradient)
            mx.eval(value, accumulated)
            # the raw value, before anything could hide it
            loss += value.item()
            if not math.isfinite(loss):
                return loss, math.nan
        assert accumulated is not None
        self._optimizer.learning_rate = mx.array(learning_rate, dtype=mx.float32)
        norm = self._update(accumulated)
        mx.eval(norm, self._model.trainable_parameters(), self._optimizer.state)
        return loss, norm.item()

    def probe(self, rows: Sequence[TokenRow]) -> tuple[float, list[str]]:
        """Return the loss of one forward and backward, and the trainable parameters without gradient."""
        total = mx.array(answer_tokens(rows), dtype=mx.float32)
        loss, gradients = self._value_and_grad(*batch_arrays(rows, 1), total)
        mx.eval(loss, gradients)
        wanted = {name for name, _ in tree_flatten(self._model.trainable_parameters())}
        return float(loss.item()), sorted(wanted - {name for name, _ in tree_flatten(gradients)})

    def save(self, folder: Path) -> None:
        """Write the adapter for PEFT and for mlx-lm, and AdamW's state by name."""
        from safetensors.numpy import save

        save_adapter(self._adapted, self._lora, folder)
        state = {name: np.array(value) for name, value in tree_flatten(self._optimizer.state)}
        (folder / OPTIMIZER_FILE).write_bytes(save(state))

    def load(self, folder: Path) -> None:
        """Set adapter and optimizer to those in ``folder``, bit for bit; the fresh state gives the structure."""
        load_adapter(self._adapted, folder, self._base_digest)
        saved = mx.load(str(folder / OPTIMIZER_FILE))
        # into the same dict: a compiled step knows the state by it
        state = self._optimizer.state
        state.update(tree_map_with_path(lambda name, _value: saved[name], state))

    def _mean_loss(self, ids: mx.array, targets: mx.array, total: mx.array) -> mx.array:
        return summed_loss(self._model, ids, targets) / total

    def _clipped_update(self, gradient: Gradients) -> mx.array:
        return clipped_update(self._model, self._optimizer, gradient, self._max_grad_norm)

    def _compile(self) -> None:
        forward, stepped = [self._model.state, mx.random.state], [self._model.state, self._optimizer.state]
        self._gradients = mx.compile(self._value_and_grad, inputs=forward, outputs=forward)
        self._update = mx.compile(self._clipped_update, inputs=stepped, outputs=stepped)
        self._width = COMPILED_WIDTH


def new_optimizer(model: Any, settings: TrainSettings) -> AdamW:
    """Return AdamW for the parameters of ``model`` that train, bias-corrected as torch's is."""
    optimizer = AdamW(learning_rate=0.0, weight_decay=settings.weight_decay, bias_correction=True)
    optimizer.init(model.trainable_parameters())
    return optimizer


def clipped_update(model: Any, optimizer: AdamW, gradient: Gradients, max_grad_norm: float) -> mx.array:
    """Update ``model`` by ``gradient``, scaled down to ``max_grad_norm`` (0 is off); return its L2 norm before that."""
    squares = [value.astype(mx.float32).square().sum() for _, value in tree_flatten(gradient)]
    norm = mx.sqrt(mx.stack(squares).sum())
    if max_grad_norm:
        factor = mx.minimum(max_grad_norm / (norm + 1e-6), 1.0)
        gradient = tree_map(lambda value: value * factor, gradient)
    optimizer.update(model, gradient)
    return norm


def summed_loss(model: Any, ids: mx.array, targets: mx.array) -> mx.array:
    """Return the summed negative log-likelihood (nats) of ``targets`` (rows, width), where they are not negative."""
    losses = nn.losses.cross_entropy(model(ids).astype(mx.float32), mx.maximum(targets, 0))
    return (losses * (targets >= 0)).sum()


def batch_arrays(rows: Sequence[TokenRow], multiple: int) -> tuple[mx.array, mx.array]:
    """Return token ids and the answers that they predict, both (rows, width); -1 where nothing is learnt.

    Rows are padded on the right, where a causal model's answer positions cannot see it, to a ``multiple`` of tokens.
    """
    width = max(len(row.ids) for row in rows) - 1
    width = -(-width // multiple) * multiple
    ids = np.zeros((len(rows), width), dtype=np.int32)
    targets = np.full((len(rows), width), -1, dtype=np.int32)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids) - 1] = row.ids[:-1]
        targets[number, row.prompt_length - 1 : len(row.ids) - 1] = row.ids[row.prompt_length :]
    return mx.array(ids), mx.array(targets)


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
