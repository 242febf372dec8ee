"""What Gate C says of one training: its facts, its checkpoints, its checks, and what to do after a divergence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from env.checks import Check, judged
from env.counts import counted, listed_text
from gates.context import GateContext
from gates.report.results import CheckpointFacts, TrainingFacts
from training.loss_watch import flat_start, idle_gradient
from training.records import TrainResult, TrainSettings


def after_divergence(train: TrainSettings) -> str:
    """Return what to change before training again."""
    longer = f", or lengthen gate.c.train.warmup_steps (now {train.warmup_steps})"
    return (
        f"Lower gate.c.train.learning_rate (now {train.learning_rate:g}){longer}: `advance` then trains from scratch."
    )


def checkpoint_facts(context: GateContext, result: TrainResult) -> tuple[CheckpointFacts, ...]:
    """Return the verified checkpoints of a training, for the report."""
    return tuple(
        CheckpointFacts(
            step=item.step,
            folder=item.folder.relative_to(context.run_dir).as_posix(),
            digest=item.digest,
            loss=item.loss,
        )
        for item in result.checkpoints
    )


def checkpoint_files(result: TrainResult) -> list[Path]:
    """Return every file of a training's checkpoints."""
    return [file for item in result.checkpoints for file in sorted(item.folder.iterdir())]


def training_facts(result: TrainResult, steps: Sequence[dict[str, Any]]) -> TrainingFacts:
    """Return how a training went, given its step records."""
    window = max(1, min(10, len(steps) // 2))
    return TrainingFacts(
        steps=result.step,
        examples=result.examples,
        dropped=result.dropped,
        dropped_rows=tuple(result.dropped_rows),
        trainable_parameters=result.trainable,
        trainable_patterns=result.patterns,
        targets=result.targets,
        sessions=tuple(sorted({row["session"] for row in steps})),
        loss_at_start=_mean_loss(steps[:window]),
        loss_at_end=_mean_loss(steps[-window:]),
        loss_window_steps=window,
        quarantined=tuple(result.quarantined),
    )


def _mean_loss(steps: Sequence[dict[str, Any]]) -> float:
    return float(sum(row["loss"] for row in steps) / len(steps))


def training_checks(context: GateContext, result: TrainResult, steps: Sequence[dict[str, Any]]) -> list[Check]:
    """Return whether the loss fell, the rows fit, a gradient flowed and the loss moved at the start."""
    train, told = context.experiment.gate.c.train, training_facts(result, steps)
    first, last = told.loss_at_start, told.loss_at_end
    return [
        judged(
            "loss fell",
            "warn",
            last < first,
            f"{first:.3f} → {last:.3f}",
            "the last steps below the first ones",
            reason="An adapter that does not fit its training rows is unlikely to help elsewhere.",
            fix="Look at metrics.jsonl; raise gate.c.train.max_steps (or epochs), or check the training rows.",
        ),
        judged(
            "rows fit",
            "warn",
            result.dropped == 0,
            f"{result.dropped} of {result.dropped + result.examples} rows dropped",
            f"every row within {counted(train.max_length, 'token')}",
            reason=f"Dropped rows do not train the model: {listed_text(result.dropped_rows, 5)}.",
            fix="Raise gate.c.train.max_length.",
        ),
        *_watch_checks(context, steps),
    ]


def _watch_checks(context: GateContext, steps: Sequence[dict[str, Any]]) -> list[Check]:
    idle, limit = idle_gradient(steps), context.experiment.gate.c.watch.idle_gradient_steps
    flat = flat_start([row["loss"] for row in steps])
    return [
        judged(
            "gradient flows",
            "warn",
            idle < limit,
            f"{counted(idle, 'step')} in a row with gradient 0",
            f"fewer than {limit}",
            reason="Without a gradient the adapter does not change: nothing was learned in these steps.",
            fix="Check gate.c.lora.target_modules and layers, and that the learning rate is not 0.",
        ),
        judged(
            "loss moved at the start",
            "warn",
            flat is None,
            "it moved" if flat is None else f"{flat[0]:.4f} → {flat[1]:.4f}",
            "a change of at least 0.1%",
            reason="The loss does not change: the learning rate is too small, or nothing trains.",
            fix="Raise gate.c.train.learning_rate, or check gate.c.lora.target_modules.",
        ),
    ]
