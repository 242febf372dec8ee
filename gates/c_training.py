"""Gate C, training: adapter checkpoints of the base on the training rows, resumable at every checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import field_validator

from env.checks import Check, judged
from env.files import append_lines, read_lines
from env.refusal import Refusal
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext, Progress, StopRequested
from gates.document import Document
from gates.report import GateReport
from training.records import AdapterCheckpoint, LoraSettings, StepRecord, TrainingDiverged, TrainResult, TrainSettings

TITLE = "training"
USES = ("seed", "model", "backend", "dataset")
NEEDS = ("a",)


class Config(Document):
    """Gate C's configuration: the adapter and the schedule, as training/records.py explains them."""

    lora: LoraSettings
    train: TrainSettings

    @field_validator("train")
    @classmethod
    def _has_a_checkpoint(cls, train: TrainSettings) -> TrainSettings:
        if train.checkpoint_every > train.max_steps:
            raise ValueError(
                f"checkpoint_every={train.checkpoint_every} is beyond max_steps={train.max_steps}: no checkpoint"
            )
        return train


def plan(context: PlanContext) -> Plan:
    """Return how many steps are trained and how many checkpoints they leave."""
    config = context.experiment.gate.c
    checkpoints = config.train.max_steps // config.train.checkpoint_every
    rows = config.train.batch_size * config.train.grad_accum
    return Plan(
        f"{config.train.max_steps} steps of {rows} rows, {checkpoints} checkpoints, LoRA r {config.lora.r}",
        config.train.max_steps,
        "steps",
    )


class Hooks:
    """Keeps metrics.jsonl and the heartbeat while the backend trains."""

    def __init__(self, context: GateContext, max_steps: int) -> None:
        self.context = context
        self.max_steps = max_steps
        self.metrics = context.folder / "metrics.jsonl"
        self.session = 1 + max((row["session"] for row in read_metrics(self.metrics)), default=0)

    def on_step(self, record: StepRecord) -> None:
        """Store the step and tell where training is."""
        line = {"session": self.session, **asdict(record)}
        append_lines(self.metrics, [json.dumps(line, allow_nan=False)])
        self.context.on_progress(Progress("training", record.step, self.max_steps, "steps", f"loss {record.loss:.3f}"))

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        """Log that a checkpoint is safe."""
        self.context.log.info("checkpoint step %d is safe (%s)", checkpoint.step, checkpoint.digest[:12])

    def should_stop(self) -> bool:
        """Whether the user asked to stop."""
        return self.context.should_stop()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the stored step records; a step repeated after a resume stands once, as last trained, in step order.

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


def run(context: GateContext) -> GateReport:
    """Train, or go on training. Passes when every asked checkpoint is verified; says no when training diverged."""
    from gates.measuring import approved_dataset, base_table, examples_of, one_process
    from training.backends import load_model

    experiment, config = context.experiment, context.experiment.gate.c
    dataset = approved_dataset(context)
    context.on_progress(Progress("loading model", 0, 0, ""))
    model = load_model(experiment.backend.name, one_process(experiment.model))
    hooks = Hooks(context, config.train.max_steps)
    try:
        examples = examples_of(dataset.rows, model)
        result = model.train(examples, config.lora, config.train, context.folder / "checkpoints", hooks)
        tables = {"base": base_table(model)}
        choices = dict(model.choices)
    except TrainingDiverged as error:
        return conclude(
            context, "failed", f"diverged at step {error.step}", reasons=[str(error)], files=[hooks.metrics]
        )
    finally:
        model.close()
    if result.status == "stopped":
        raise StopRequested
    return _report(context, result, tables, choices, hooks.metrics)


def _report(
    context: GateContext, result: TrainResult, tables: dict[str, Any], choices: dict[str, str], metrics: Path
) -> GateReport:
    steps = read_metrics(metrics)
    window = max(1, min(10, len(steps) // 2))
    first, last = _mean_loss(steps[:window]), _mean_loss(steps[-window:])
    tables["checkpoints"] = [
        {
            "step": item.step,
            "folder": item.folder.relative_to(context.run_dir).as_posix(),
            "digest": item.digest,
            "loss": item.loss,
        }
        for item in result.checkpoints
    ]
    tables["training"] = {
        "steps": result.step,
        "examples": result.examples,
        "dropped": result.dropped,
        "trainable_parameters": result.trainable,
        "targets": result.targets,
        "sessions": sorted({row["session"] for row in steps}),
        "loss_at_start": first,
        "loss_at_end": last,
        "loss_window_steps": window,
        "quarantined": list(result.quarantined),
    }
    files = [metrics, *(file for item in result.checkpoints for file in _adapter_files(item))]
    return conclude(
        context,
        "passed",
        f"{result.step} steps  loss {first:.3f} → {last:.3f}  {len(result.checkpoints)} checkpoints",
        checks=_checks(context, result, first, last),
        tables=tables,
        files=files,
        choices=choices,
    )


def _adapter_files(checkpoint: AdapterCheckpoint) -> list[Path]:
    return [checkpoint.folder / name for name in ("adapter_model.safetensors", "adapter_config.json")]


def _mean_loss(steps: Sequence[dict[str, Any]]) -> float:
    return float(sum(row["loss"] for row in steps) / len(steps))


def _checks(context: GateContext, result: TrainResult, first: float, last: float) -> list[Check]:
    train = context.experiment.gate.c.train
    return [
        judged(
            "loss fell",
            "warn",
            last < first,
            f"{first:.3f} → {last:.3f}",
            "the last steps below the first ones",
            reason="An adapter that does not fit its training rows will hardly help elsewhere.",
            fix="Look at metrics.jsonl; raise gate.c.train.max_steps, or check the training rows.",
        ),
        judged(
            "rows fit",
            "warn",
            result.dropped == 0,
            f"{result.dropped} of {result.dropped + result.examples} rows dropped",
            f"every row within {train.max_length} tokens",
            reason="Dropped rows teach nothing.",
            fix="Raise gate.c.train.max_length.",
        ),
    ]
