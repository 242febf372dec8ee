"""What a training loop reports to its caller, and the stop request it polls."""

from __future__ import annotations

from typing import Protocol

from training.records import AdapterCheckpoint, StepRecord


class TrainHooks(Protocol):
    """Called by the loop, in its thread, between steps; an exception here ends training."""

    def on_step(self, record: StepRecord) -> None:
        """Receive one finished optimizer step."""
        ...

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        """Receive a checkpoint that is durable and verified."""
        ...

    def should_stop(self) -> bool:
        """Return whether to save a checkpoint now and end with status "stopped"; called after each step."""
        ...


class PairHooks(TrainHooks, Protocol):
    """Called while pairs of answers train."""

    def has_ended(self) -> bool:
        """Return whether to end for good, with status "ended" and no further checkpoint; asked after each step."""
        ...


class NoHooks:
    """Hooks that do nothing."""

    def on_step(self, record: StepRecord) -> None:
        """Ignore the step."""

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        """Ignore the checkpoint."""

    def should_stop(self) -> bool:
        """Never request a stop."""
        return False

    def has_ended(self) -> bool:
        """Never end early."""
        return False
