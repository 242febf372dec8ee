"""One call of ``train``: what lies there already, what is about to train, and which checkpoints stay in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from training.backends.targets import parameter_patterns
from training.checkpoints import list_checkpoints, quarantine, read_manifest
from training.examples import EncodedExamples
from training.records import AdapterCheckpoint, TrainResult
from training.schedule import require_same_run

Status = Literal["finished", "stopped"]
Loop = Callable[[Sequence[AdapterCheckpoint]], tuple[Status, int, list[AdapterCheckpoint]]]
"""A backend's loop: go on from the last of the verified checkpoints; return status, last step and all checkpoints."""

_LOG = logging.getLogger(__name__)


def train_from_newest(
    folder: Path, data: EncodedExamples, sizes: Mapping[str, int], facts: Mapping[str, Any], max_steps: int, loop: Loop
) -> TrainResult:
    """Run ``loop`` from the newest verified checkpoint in ``folder``; with no step left to do, return at once.

    Args:
        sizes: elements of every parameter that trains, by its name on disk; listed in the log before the first step.
        facts: what a checkpoint must share with the run that resumes it.

    Raises:
        Refusal: the checkpoints there are of another run.
        TrainingDiverged: a loss or gradient was not finite.
    """
    moved = quarantine(folder)
    known = list_checkpoints(folder).verified
    if known:
        require_same_run(read_manifest(known[-1].folder), facts, known[-1].folder)
    start = known[-1].step if known else 0
    result = TrainResult(
        status="finished",
        step=start,
        checkpoints=known,
        examples=len(data.rows),
        dropped=len(data.dropped),
        trainable=sum(sizes.values()),
        targets=len({name.rpartition(".lora_")[0] for name in sizes}),
        resumed_from=start,
        quarantined=moved,
        dropped_rows=data.dropped,
        patterns=parameter_patterns(sizes),
    )
    if start >= max_steps:
        return result
    _LOG.info("%d parameters in %d modules train, and nothing else:", result.trainable, result.targets)
    for pattern, count in result.patterns.items():
        _LOG.info("  %s: %d", pattern, count)
    status, step, checkpoints = loop(known)
    kept = tuple(found for found in checkpoints if found.scheduled or status == "stopped")
    return replace(result, status=status, step=step, checkpoints=kept)
