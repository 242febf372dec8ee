"""The training loop that all backends share: from the newest verified checkpoint to the last step, resumable exactly.

Not the libraries' trainers, whose states hide more than they need: batches, learning rate and random numbers depend on
the step's number alone, so a step is a complete data position, and a resumed run ends with the same bytes. Not covered:
kernels that add in changing order (some CUDA ones) make two runs differ in the last bits.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from env.files import make_folder
from env.refusal import Refusal
from training.backends.local.adapter_folder import require_exact_adapter
from training.backends.local.targets import parameter_patterns
from training.checkpoints import (
    ADAPTER_WEIGHTS,
    list_checkpoints,
    quarantine,
    read_checkpoint,
    read_manifest,
    remove_checkpoint,
    save_checkpoint,
)
from training.examples import EncodedExamples, TokenRow, step_batches
from training.hooks import TrainHooks
from training.needs.disk import checkpoints_left, require_room
from training.packing import packed_batches
from training.records import AdapterCheckpoint, LoraSettings, StepRecord, TrainingDiverged, TrainResult, TrainSettings
from training.schedule import learning_rate, lora_facts, require_same_run, settings_facts

OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "trainer_state.json"

Status = Literal["finished", "stopped"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One training run: its rows, adapter, settings and checkpoint folder.

    Attributes:
        base_digest: identity of the base model.
        sizes: elements of every parameter that trains, by its name on disk.
        start: the checkpoint whose adapter and optimizer the first step continues with; None: a fresh adapter.
    """

    data: EncodedExamples
    lora: LoraSettings
    settings: TrainSettings
    base_digest: str
    sizes: Mapping[str, int]
    folder: Path
    hooks: TrainHooks
    start: Path | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Full names of the modules that get an adapter."""
        return tuple(dict.fromkeys(name.rpartition(".lora_")[0] for name in self.sizes))

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint must share with the run that resumes it."""
        return {
            "base": self.base_digest,
            "lora": lora_facts(self.lora),
            "train": settings_facts(self.settings),
            "examples": self.data.digest,
            **({} if self.start is None else {"start": read_checkpoint(self.start).digest}),
        }


class Learner(Protocol):
    """What a backend provides: a base with a trainable adapter applied, and the adapter's optimizer."""

    @property
    def adapter_bytes(self) -> int:
        """Bytes of the parameters that train, as they are held."""
        ...

    @property
    def checkpoint_bytes(self) -> int:
        """About how many bytes ``save`` writes."""
        ...

    def train_step(self, batches: Sequence[Sequence[TokenRow]], learning_rate: float, seed: int) -> tuple[float, float]:
        """Make one optimizer step over ``batches``, accumulated as one batch of all their answer tokens.

        Returns:
            loss, raw (mean nats per answer token), and gradient norm (L2, before clipping). Where one is not finite,
            the adapter may be damaged.
        """
        ...

    def probe(self, rows: Sequence[TokenRow]) -> tuple[float, list[str]]:
        """Return the loss of one forward and backward on ``rows``, and the trainable parameters without gradient."""
        ...

    def save(self, folder: Path) -> None:
        """Write the adapter, as PEFT lays it out, and the optimizer's state into ``folder``."""
        ...

    def load(self, folder: Path) -> None:
        """Set adapter and optimizer to those in ``folder``, bit for bit."""
        ...


def train_from_newest(run: TrainingRun, learning: AbstractContextManager[Learner]) -> TrainResult:
    """Train from the newest verified checkpoint to ``max_steps``, or until a hook requests a stop.

    Args:
        learning: puts the adapter on the base; not entered when no step is left to do.

    Raises:
        Refusal: the checkpoints there belong to another run, an adapter file exceeds ``max_adapter_mb`` or holds more
            than requested, or the disk is full.
        TrainingDiverged: a loss or gradient was not finite.
    """
    moved = quarantine(run.folder)
    known = list_checkpoints(run.folder).verified
    if known:
        require_same_run(read_manifest(known[-1].folder), run.facts, known[-1].folder)
    start = known[-1].step if known else 0
    result = TrainResult(
        status="finished",
        step=start,
        checkpoints=known,
        examples=len(run.data.rows),
        dropped=len(run.data.dropped),
        trainable=sum(run.sizes.values()),
        targets=len(run.targets),
        resumed_from=start,
        quarantined=moved,
        dropped_rows=run.data.dropped,
        patterns=parameter_patterns(run.sizes),
    )
    if start >= run.settings.max_steps:
        return result
    _LOG.info("%d parameters in %d modules train, and nothing else:", result.trainable, result.targets)
    for pattern, count in result.patterns.items():
        _LOG.info("  %s: %d", pattern, count)
    with learning as learner:
        status, step, checkpoints = _train(run, learner, known)
    kept = tuple(found for found in checkpoints if found.scheduled or status == "stopped")
    return replace(result, status=status, step=step, checkpoints=kept)


def probe_longest(data: EncodedExamples, batch_size: int, learning: AbstractContextManager[Learner]) -> float:
    """Return the loss (nats per answer token) of one forward and backward on the longest rows; nothing is kept.

    Raises:
        Refusal: a parameter of the adapter got no gradient.
    """
    longest = sorted(data.rows, key=lambda row: -len(row.ids))[:batch_size]
    with learning as learner:
        loss, idle = learner.probe(longest)
    if idle:
        raise Refusal(f"{idle[0]} got no gradient: the adapter would not train.")
    return loss


def _train(
    run: TrainingRun, learner: Learner, known: Sequence[AdapterCheckpoint]
) -> tuple[Status, int, list[AdapterCheckpoint]]:
    """Resume from the last of the verified checkpoints; return status, last step and all checkpoints."""
    make_folder(run.folder)
    _require_small(learner.adapter_bytes, run.settings)
    max_steps, every = run.settings.max_steps, run.settings.checkpoint_every
    checkpoints = list(known)
    start = checkpoints[-1].step if checkpoints else 0
    require_room(run.folder, learner.checkpoint_bytes, checkpoints_left(start, max_steps, every))
    resumes_from = checkpoints[-1].folder if checkpoints else run.start
    if resumes_from is not None:
        learner.load(resumes_from)
    batches = step_batches([len(row.ids) for row in run.data.rows], run.settings, start + 1)
    for step in range(start + 1, max_steps + 1):
        epoch, indices = next(batches)
        record = _step(run, learner, step, epoch, indices, checkpoints)
        run.hooks.on_step(record)
        stop = run.hooks.should_stop()
        scheduled = step % every == 0 or step == max_steps
        if scheduled or stop:
            require_room(run.folder, learner.checkpoint_bytes, 1)
            checkpoints = _save(run, learner, record, scheduled, checkpoints)
        if stop and step < max_steps:
            return "stopped", step, checkpoints
    return "finished", max_steps, checkpoints


def _step(
    run: TrainingRun,
    learner: Learner,
    step: int,
    epoch: float,
    indices: Sequence[Sequence[int]],
    checkpoints: Sequence[AdapterCheckpoint],
) -> StepRecord:
    """Make optimizer step ``step`` over batches of row ``indices``."""
    started = time.perf_counter()
    batches = [[run.data.rows[index] for index in batch] for batch in indices]
    if run.settings.packing:
        batches = packed_batches(batches, run.settings.batch_size, run.settings.max_length)
    rate = learning_rate(step, run.settings)
    loss, norm = learner.train_step(batches, rate, (run.settings.seed * 1_000_003 + step) % 2**63)
    for value in (loss, norm):
        if not math.isfinite(value):
            raise TrainingDiverged(step, value, checkpoints[-1] if checkpoints else None)
    tokens = sum(len(row.ids) for batch in batches for row in batch)
    return StepRecord(step, loss, rate, norm, tokens, time.perf_counter() - started, epoch)


def _save(
    run: TrainingRun, learner: Learner, record: StepRecord, scheduled: bool, before: Sequence[AdapterCheckpoint]
) -> list[AdapterCheckpoint]:
    """Save a checkpoint; return all of them, without earlier unscheduled ones once this one is a scheduled one."""

    def write_files(folder: Path) -> None:
        learner.save(folder)
        state = {
            "step": record.step,
            "data_position": "batches follow from the step and the seed",
            "random_numbers": "seeded at each step by the seed and the step",
        }
        (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        require_exact_adapter(folder, run.targets)
        _require_small((folder / ADAPTER_WEIGHTS).stat().st_size, run.settings)

    saved = save_checkpoint(run.folder, record.step, write_files, {"loss": record.loss, **run.facts}, scheduled)
    kept = list(before)
    if scheduled:
        for old in [found for found in kept if not found.scheduled]:
            remove_checkpoint(old)
            kept.remove(old)
    run.hooks.on_checkpoint(saved)
    return [*kept, saved]


def _require_small(size_bytes: int, settings: TrainSettings) -> None:
    if settings.max_adapter_mb and size_bytes > settings.max_adapter_mb * 1e6:
        raise Refusal(
            f"The adapter takes {size_bytes / 1e6:.2f} MB, gate.c.train.max_adapter_mb is {settings.max_adapter_mb:g}.",
            "Lower gate.c.lora.r, adapt fewer modules or layers, or raise gate.c.train.max_adapter_mb.",
        )
