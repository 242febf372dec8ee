"""The training loop: answer-only loss on the base as it is held, checkpoints that resume to the same bytes.

mlx-lm's trainer saves weights alone; here batches, learning rate and random numbers depend on the step's number, and
the optimizer is saved, so a step is a complete position. Not covered: GPU kernels that add in changing order.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.optimizers import AdamW
from mlx.utils import tree_flatten, tree_map, tree_map_with_path

from env.files import make_folder
from env.refusal import Refusal
from training.backends.adapter_folder import require_exact_adapter
from training.backends.mlx.lora import load_adapter, save_adapter
from training.backends.training_call import Status
from training.checkpoints import ADAPTER_WEIGHTS, remove_checkpoint, save_checkpoint
from training.examples import EncodedExamples, TokenRow, step_batches
from training.hooks import TrainHooks
from training.records import AdapterCheckpoint, LoraSettings, StepRecord, TrainingDiverged, TrainSettings
from training.room import checkpoint_bytes, checkpoints_left, require_room
from training.schedule import learning_rate, lora_facts, settings_facts

OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "trainer_state.json"
# compiled steps are compiled again for each new width, so widths are few
COMPILED_WIDTH = 32

Gradients = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fit:
    """One training run: what is trained (``adapted`` modules of ``model``), on what, how, where its checkpoints go."""

    model: Any
    adapted: dict[str, Any]
    data: EncodedExamples
    lora: LoraSettings
    settings: TrainSettings
    base_digest: str
    compiled: bool
    folder: Path
    hooks: TrainHooks


@dataclass(frozen=True, slots=True)
class Learner:
    """The two halves of a step: gradients of one batch, and the update by accumulated gradients."""

    optimizer: Any
    gradients: Callable[[mx.array, mx.array, mx.array], tuple[mx.array, Gradients]]
    update: Callable[[Gradients], mx.array]


def run_facts(data: EncodedExamples, lora: LoraSettings, settings: TrainSettings, base_digest: str) -> dict[str, Any]:
    """Return what a checkpoint must share with the run that resumes it."""
    return {
        "base": base_digest,
        "lora": lora_facts(lora),
        "train": settings_facts(settings),
        "examples": data.digest,
    }


def fit(run: Fit, known: Sequence[AdapterCheckpoint]) -> tuple[Status, int, list[AdapterCheckpoint]]:
    """Train to ``max_steps`` or until a hook asks to stop; return status, last step and all checkpoints.

    Args:
        known: verified checkpoints by step; training goes on from the last.

    Raises:
        TrainingDiverged: a loss or gradient was not finite.
        Refusal: an adapter file exceeds ``max_adapter_mb`` or holds more than was asked, or the disk is full.
    """
    make_folder(run.folder)
    adapter_bytes = sum(array.nbytes for _, array in tree_flatten(run.model.trainable_parameters()))
    _require_small(adapter_bytes, run.settings)
    # the adapter stands in a checkpoint twice, in each library's layout
    each_bytes = checkpoint_bytes(adapter_bytes) + adapter_bytes
    learner = make_learner(run.model, run.settings, run.compiled)
    checkpoints = list(known)
    start = checkpoints[-1].step if checkpoints else 0
    left = checkpoints_left(start, run.settings.max_steps, run.settings.checkpoint_every)
    require_room(run.folder, each_bytes, left)
    if checkpoints:
        load_adapter(run.adapted, checkpoints[-1].folder, run.base_digest)
        _load_optimizer(learner.optimizer, checkpoints[-1].folder / OPTIMIZER_FILE)
    batches = step_batches([len(row.ids) for row in run.data.rows], run.settings, start + 1)
    run.model.train()
    for step in range(start + 1, run.settings.max_steps + 1):
        epoch, indices = next(batches)
        record = _step(run, learner, step, epoch, indices, checkpoints)
        run.hooks.on_step(record)
        stop = run.hooks.should_stop()
        scheduled = step % run.settings.checkpoint_every == 0 or step == run.settings.max_steps
        if scheduled or stop:
            require_room(run.folder, each_bytes, 1)
            checkpoints = _save(run, learner, record, scheduled, checkpoints)
        if stop and step < run.settings.max_steps:
            return "stopped", step, checkpoints
    return "finished", run.settings.max_steps, checkpoints


def make_learner(model: Any, settings: TrainSettings, compiled: bool) -> Learner:
    """Return the optimizer (AdamW, bias-corrected, as torch's) and the step's halves, compiled where asked."""
    optimizer = AdamW(learning_rate=0.0, weight_decay=settings.weight_decay, bias_correction=True)
    optimizer.init(model.trainable_parameters())
    gradients = nn.value_and_grad(model, lambda ids, targets, total: summed_loss(model, ids, targets) / total)

    def update(gradient: Gradients) -> mx.array:
        squares = [value.astype(mx.float32).square().sum() for _, value in tree_flatten(gradient)]
        norm = mx.sqrt(mx.stack(squares).sum())
        if settings.max_grad_norm:
            factor = mx.minimum(settings.max_grad_norm / (norm + 1e-6), 1.0)
            gradient = tree_map(lambda value: value * factor, gradient)
        optimizer.update(model, gradient)
        return norm

    if not compiled:
        return Learner(optimizer, gradients, update)
    forward, stepped = [model.state, mx.random.state], [model.state, optimizer.state]
    return Learner(
        optimizer,
        mx.compile(gradients, inputs=forward, outputs=forward),
        mx.compile(update, inputs=stepped, outputs=stepped),
    )


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


def answer_tokens(rows: Sequence[TokenRow]) -> int:
    """Return how many tokens of ``rows`` are learnt."""
    return sum(len(row.ids) - row.prompt_length for row in rows)


def _step(
    run: Fit,
    learner: Learner,
    step: int,
    epoch: float,
    batches: Sequence[Sequence[int]],
    checkpoints: Sequence[AdapterCheckpoint],
) -> StepRecord:
    """Make one optimizer step over ``batches`` (row indices), accumulated as one batch of all their answer tokens."""
    started = time.perf_counter()
    last_good = checkpoints[-1] if checkpoints else None
    mx.random.seed((run.settings.seed * 1_000_003 + step) % 2**63)
    rate = learning_rate(step, run.settings)
    learner.optimizer.learning_rate = mx.array(rate, dtype=mx.float32)
    rows = [[run.data.rows[index] for index in batch] for batch in batches]
    total = mx.array(sum(answer_tokens(part) for part in rows), dtype=mx.float32)
    loss, accumulated = 0.0, None
    for part in rows:
        value, gradient = learner.gradients(*batch_arrays(part, COMPILED_WIDTH if run.compiled else 1), total)
        accumulated = gradient if accumulated is None else tree_map(mx.add, accumulated, gradient)
        mx.eval(value, accumulated)
        # the raw value, before anything could hide it
        loss += value.item()
        if not math.isfinite(loss):
            raise TrainingDiverged(step, loss, last_good)
    assert accumulated is not None
    norm = learner.update(accumulated)
    mx.eval(norm, run.model.trainable_parameters(), learner.optimizer.state)
    if not math.isfinite(norm.item()):
        raise TrainingDiverged(step, norm.item(), last_good)
    tokens = sum(len(row.ids) for part in rows for row in part)
    return StepRecord(step, loss, rate, norm.item(), tokens, time.perf_counter() - started, epoch)


def _save(
    run: Fit, learner: Learner, record: StepRecord, scheduled: bool, before: Sequence[AdapterCheckpoint]
) -> list[AdapterCheckpoint]:
    """Save a checkpoint; return all of them, without earlier unscheduled ones once this one is a scheduled one."""

    def write_files(folder: Path) -> None:
        save_adapter(run.adapted, run.lora, folder)
        _save_optimizer(learner.optimizer, folder / OPTIMIZER_FILE)
        state = {
            "step": record.step,
            "data_position": "batches follow from the step and the seed",
            "random_numbers": "seeded at each step by the seed and the step",
        }
        (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        require_exact_adapter(folder, list(run.adapted))
        _require_small((folder / ADAPTER_WEIGHTS).stat().st_size, run.settings)

    facts = run_facts(run.data, run.lora, run.settings, run.base_digest)
    saved = save_checkpoint(run.folder, record.step, write_files, {"loss": record.loss, **facts}, scheduled)
    kept = list(before)
    if scheduled:
        for old in [found for found in kept if not found.scheduled]:
            remove_checkpoint(old)
            kept.remove(old)
    run.hooks.on_checkpoint(saved)
    return [*kept, saved]


def _save_optimizer(optimizer: Any, path: Path) -> None:
    from safetensors.numpy import save

    path.write_bytes(save({name: np.array(value) for name, value in tree_flatten(optimizer.state)}))


def _load_optimizer(optimizer: Any, path: Path) -> None:
    """Set the state to that in ``path``, bit for bit; the fresh one gives the structure."""
    saved = mx.load(str(path))
    optimizer.state = tree_map_with_path(lambda name, _value: saved[name], optimizer.state)


def _require_small(size_bytes: int, settings: TrainSettings) -> None:
    if settings.max_adapter_mb and size_bytes > settings.max_adapter_mb * 1e6:
        raise Refusal(
            f"The adapter takes {size_bytes / 1e6:.2f} MB, train.max_adapter_mb is {settings.max_adapter_mb:g}.",
            "Lower lora.r, adapt fewer modules or layers, or raise train.max_adapter_mb.",
        )
