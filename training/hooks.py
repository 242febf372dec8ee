"""What a training loop tells its caller, and the one thing it asks."""

from __future__ import annotations

from typing import Protocol

from training.records import AdapterCheckpoint, StepRecord


class TrainHooks(Protocol):
    """Called by the loop, in its thread, between steps; an exception here ends training."""

    def on_step(self, record: StepRecord) -> None:
        """Take note of one finished optimizer step."""
        ...

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        """Take note of a checkpoint that is durable and verified."""
        ...

    def should_stop(self) -> bool:
        """Return whether to save a checkpoint now and end with status "stopped"; asked after each step."""
        ...


class NoHooks:
    """Hooks that do nothing."""

    def on_step(self, record: StepRecord) -> None:
        """Ignore the step."""

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        """Ignore the checkpoint."""

    def should_stop(self) -> bool:
        """Never ask to stop."""
        return False
