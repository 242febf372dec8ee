"""The learning rate as a function of the step, and which training settings a resumed run must share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from env.counts import counted
from env.refusal import Refusal
from training.records import LoraSettings, TrainSettings

# what a schedule leaves that does not say how many: enough to see whether less training would have been better
_CHECKPOINTS = 3
# these do not change what is learned, or have become max_steps
_FREE_TO_CHANGE = frozenset({"checkpoint_every", "max_adapter_mb", "epochs"})


def with_steps(settings: TrainSettings, rows: int) -> TrainSettings:
    """Return ``settings`` with its steps counted: those that its epochs take on ``rows`` rows, between checkpoints too.

    Raises:
        Refusal: that is fewer steps than the warm-up takes, or than a checkpoint needs.
    """
    if settings.max_steps:
        return _with_checkpoints(settings)
    batches = -(-rows // settings.batch_size)
    steps = max(1, math.ceil(round(batches * settings.epochs / settings.grad_accum, 6)))
    if settings.checkpoint_every > steps:
        raise Refusal(
            f"gate.c.train.checkpoint_every = {settings.checkpoint_every} exceeds the {counted(steps, 'step')} that "
            f"gate.c.train.epochs = {settings.epochs:g} takes on {counted(rows, 'row')}: no checkpoint.",
            "Lower it, or train more epochs.",
        )
    return _with_checkpoints(replace(settings, max_steps=steps, epochs=0.0))


def with_fewer_steps(settings: TrainSettings, steps: int) -> TrainSettings:
    """Return a counted schedule with another number of steps; warm-up and checkpoints stay within it."""
    warmup, every = min(settings.warmup_steps, steps), min(settings.checkpoint_every, steps)
    return replace(settings, max_steps=steps, epochs=0.0, warmup_steps=warmup, checkpoint_every=every)


def _with_checkpoints(settings: TrainSettings) -> TrainSettings:
    every = settings.checkpoint_every or -(-settings.max_steps // _CHECKPOINTS)
    return replace(settings, checkpoint_every=every)


def checkpoint_count(settings: TrainSettings) -> int:
    """Return how many scheduled checkpoints ``max_steps`` leave: every so many steps, and after the last."""
    return -(-settings.max_steps // settings.checkpoint_every)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Return the rate used in ``step`` (counted from 1): linear warm-up to the peak, then down towards 0.

    Warm-up reaches the peak in step ``warmup_steps``; "cosine" and "linear" would reach 0 one step after
    ``max_steps``, so the last step still learns; "constant" stays at the peak.
    """
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    peak_step = max(settings.warmup_steps, 1)
    done = (step - peak_step) / (settings.max_steps + 1 - peak_step)
    if settings.scheduler == "cosine":
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    if settings.scheduler == "linear":
        return settings.learning_rate * (1 - done)
    return settings.learning_rate


def settings_facts(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings that decide what is learned, as plain JSON data."""
    return {key: value for key, value in asdict(settings).items() if key not in _FREE_TO_CHANGE}


def lora_facts(lora: LoraSettings) -> dict[str, Any]:
    """Return the adapter's settings as plain JSON data."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(lora).items()}


def require_same_run(saved: Mapping[str, Any], facts: Mapping[str, Any], folder: Path) -> None:
    """Raise Refusal when the checkpoint manifest ``saved`` in ``folder`` belongs to another run than ``facts``."""
    way_out = (
        "Restore the setting, or start a new run; a checkpoint resumes only with the settings it was trained with."
    )
    for part, name in (("base", "another base model"), ("examples", "other examples")):
        if saved.get(part) != facts[part]:
            raise Refusal(f"{folder}: was trained with {name}.", way_out)
    if saved.get("start") != facts.get("start"):
        raise Refusal(f"{folder}: its training started from another adapter.", way_out)
    for part in ("lora", "train"):
        for key, value in facts[part].items():
            before = saved[part].get(key)
            if before != value:
                raise Refusal(f"{folder}: was trained with {part}.{key} = {before!r}, now it is {value!r}.", way_out)
