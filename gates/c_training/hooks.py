"""Hooks while the adapter trains: stored steps, the heartbeat, and the watch that stops a diverging training."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from env.counts import counted
from env.files import append_lines, read_lines
from env.refusal import Refusal
from gates.context import GateContext, Progress
from training.checkpoints import list_checkpoints
from training.loss_watch import LossWatch
from training.records import AdapterCheckpoint, StepRecord, TrainingDiverged


class Hooks:
    """Writes metrics.jsonl and the heartbeat while the backend trains, and stops an exploding training.

    ``folder`` holds metrics.jsonl and checkpoints/; None is the gate's own. ``phase`` names the training on screens;
    ``steps_before`` were trained in this gate before it.
    """

    def __init__(
        self,
        context: GateContext,
        max_steps: int,
        folder: Path | None = None,
        phase: str = "training",
        steps_before: int = 0,
    ) -> None:
        self.context = context
        self.max_steps = max_steps
        self.folder = folder or context.folder
        self.phase = phase
        self.steps_before = steps_before
        self.metrics = self.folder / "metrics.jsonl"
        self.earlier = read_metrics(self.metrics)
        self.session = 1 + max((row["session"] for row in self.earlier), default=0)
        self.watch: LossWatch | None = None
        self.idle_steps = 0

    def on_step(self, record: StepRecord) -> None:
        """Store the step and report progress."""
        line = {"session": self.session, **asdict(record)}
        append_lines(self.metrics, [json.dumps(line, allow_nan=False)])
        message = f"loss {record.loss:.3f}{self._idle(record)}"
        self.context.on_progress(Progress(self.phase, record.step, self.max_steps, "steps", message))
        values = {"loss": record.loss, "learning_rate": record.learning_rate, "grad_norm": record.grad_norm}
        self.context.on_step(self.steps_before + record.step, values)
        self._require_calm(record)

    def _idle(self, record: StepRecord) -> str:
        """Return a warning once the gradient has been 0 for too long."""
        settings = self.context.experiment.gate.c.watch
        self.idle_steps = self.idle_steps + 1 if record.grad_norm == 0 else 0
        if self.idle_steps < settings.idle_gradient_steps:
            return ""
        if self.idle_steps == settings.idle_gradient_steps:
            self.context.log.warning("the gradient has been 0 for %d steps: nothing is learned", self.idle_steps)
        return f"  gradient 0 for {counted(self.idle_steps, 'step')}: nothing is learned"

    def _require_calm(self, record: StepRecord) -> None:
        if self.watch is None:
            # what was trained before this session, without the steps after the checkpoint it resumed from
            before = [row["loss"] for row in self.earlier if row["step"] < record.step]
            self.watch = LossWatch(self.context.experiment.gate.c.watch, before)
        why = self.watch.explosion(record.loss)
        if why:
            calm = record.step - self.watch.exploding_steps
            scan = list_checkpoints(self.folder / "checkpoints")
            good = [found for found in scan.verified if found.step <= calm]
            raise TrainingDiverged(record.step, record.loss, good[-1] if good else None, why)

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        """Log that a checkpoint is safe."""
        self.context.log.info("checkpoint step %d is safe (%s)", checkpoint.step, checkpoint.digest[:12])

    def should_stop(self) -> bool:
        """Whether the user requested a stop."""
        return self.context.should_stop()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the stored step records; a step repeated after a resume appears once, as last trained, in step order.

    Raises:
        Refusal: a complete line is not a step record.
    """
    by_step: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        try:
            row = json.loads(line)
            by_step[int(row["step"])] = {**row, "session": int(row["session"]), "loss": float(row["loss"])}
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(f"{path}, line {number}: not a training step ({error!r}).", "Remove that line.") from None
    return [by_step[step] for step in sorted(by_step)]
