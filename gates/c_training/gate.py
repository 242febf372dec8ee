"""Gate C, training: adapter checkpoints of the base on the training rows, resumable at every checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from env.checks import Check, judged
from env.files import append_lines, read_lines
from env.refusal import Refusal
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext, Progress, StopRequested
from gates.document import Document
from gates.report import GateReport
from training.checkpoints import list_checkpoints
from training.loss_watch import LossWatch, LossWatchSettings, flat_start, idle_gradient
from training.records import AdapterCheckpoint, LoraSettings, StepRecord, TrainingDiverged, TrainResult, TrainSettings
from training.schedule import checkpoint_count, with_steps

if TYPE_CHECKING:
    from gates.settings import Experiment

TITLE = "training"
USES = ("seed", "model", "backend", "dataset")
NEEDS = ("a",)


class Config(Document):
    """Gate C's configuration: adapter and schedule (training/records.py), when to stop it (training/loss_watch.py)."""

    lora: LoraSettings
    train: TrainSettings
    watch: LossWatchSettings

    @field_validator("train")
    @classmethod
    def _has_a_checkpoint(cls, train: TrainSettings) -> TrainSettings:
        if train.max_steps and train.checkpoint_every > train.max_steps:
            raise ValueError(
                f"checkpoint_every={train.checkpoint_every} is beyond max_steps={train.max_steps}: no checkpoint"
            )
        return train


def plan(context: PlanContext) -> Plan:
    """Return how many steps are trained and how many checkpoints they leave."""
    rank = context.experiment.gate.c.lora.r
    train = planned_training(context.experiment)
    rows = train.batch_size * train.grad_accum
    if not train.max_steps:
        return Plan(f"{train.epochs:g} epochs in steps of {rows} rows, LoRA r {rank}")
    return Plan(
        f"{train.max_steps} steps of {rows} rows, {checkpoint_count(train)} checkpoints, LoRA r {rank}",
        train.max_steps,
        "steps",
    )


def planned_training(experiment: Experiment) -> TrainSettings:
    """Return the training settings with their steps counted, as far as the number of rows is known beforehand."""
    train = experiment.gate.c.train
    return train if experiment.dataset.name == "jsonl" else with_steps(train, experiment.dataset.rows)


class Hooks:
    """Keeps metrics.jsonl and the heartbeat while the backend trains, and calls an exploding training off."""

    def __init__(self, context: GateContext, max_steps: int) -> None:
        self.context = context
        self.max_steps = max_steps
        self.metrics = context.folder / "metrics.jsonl"
        self.earlier = read_metrics(self.metrics)
        self.session = 1 + max((row["session"] for row in self.earlier), default=0)
        self.watch: LossWatch | None = None
        self.idle_steps = 0

    def on_step(self, record: StepRecord) -> None:
        """Store the step and tell where training is."""
        line = {"session": self.session, **asdict(record)}
        append_lines(self.metrics, [json.dumps(line, allow_nan=False)])
        message = f"loss {record.loss:.3f}{self._idle(record)}"
        self.context.on_progress(Progress("training", record.step, self.max_steps, "steps", message))
        values = {"loss": record.loss, "learning_rate": record.learning_rate, "grad_norm": record.grad_norm}
        self.context.on_step(record.step, values)
        self._require_calm(record)

    def _idle(self, record: StepRecord) -> str:
        """Return a warning once the gradient has been 0 for too long."""
        settings = self.context.experiment.gate.c.watch
        self.idle_steps = self.idle_steps + 1 if record.grad_norm == 0 else 0
        if self.idle_steps < settings.idle_gradient_steps:
            return ""
        if self.idle_steps == settings.idle_gradient_steps:
            self.context.log.warning("the gradient has been 0 for %d steps: nothing is learnt", self.idle_steps)
        return f"  gradient 0 for {self.idle_steps} steps: nothing is learnt"

    def _require_calm(self, record: StepRecord) -> None:
        if self.watch is None:
            # what was trained before this session, without the steps after the checkpoint it went on from
            before = [row["loss"] for row in self.earlier if row["step"] < record.step]
            self.watch = LossWatch(self.context.experiment.gate.c.watch, before)
        why = self.watch.explosion(record.loss)
        if why:
            calm = record.step - self.watch.exploding_steps
            scan = list_checkpoints(self.context.folder / "checkpoints")
            good = [found for found in scan.verified if found.step <= calm]
            raise TrainingDiverged(record.step, record.loss, good[-1] if good else None, why)

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
    from gates.measuring.bench import approved_dataset, base_table, examples_of, one_process, require_same_base
    from training.backends import load_model

    experiment, config = context.experiment, context.experiment.gate.c
    dataset = approved_dataset(context)
    context.on_progress(Progress("loading model", 0, 0, ""))
    model = load_model(experiment.backend.name, one_process(experiment.model))
    train = with_steps(config.train, len(dataset.rows))
    hooks = Hooks(context, train.max_steps)
    try:
        require_same_base(model, context.earlier("a"))
        examples = examples_of(dataset.rows, model)
        result = model.train(examples, config.lora, train, context.folder / "checkpoints", hooks)
        tables = {"base": base_table(model)}
        choices = dict(model.choices)
    except TrainingDiverged as error:
        return conclude(
            context,
            "failed",
            f"diverged at step {error.step}",
            reasons=[str(error), _after_divergence(train)],
            files=[hooks.metrics] if hooks.metrics.is_file() else [],
        )
    finally:
        model.close()
    if result.status == "stopped":
        raise StopRequested
    return _report(context, result, tables, choices, hooks.metrics)


def _after_divergence(train: TrainSettings) -> str:
    longer = f", or lengthen gate.c.train.warmup_steps (now {train.warmup_steps})"
    return f"Lower gate.c.train.learning_rate (now {train.learning_rate:g}){longer}: advance then trains anew."


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
        "dropped_rows": list(result.dropped_rows),
        "trainable_parameters": result.trainable,
        "trainable_patterns": dict(result.patterns),
        "targets": result.targets,
        "sessions": sorted({row["session"] for row in steps}),
        "loss_at_start": first,
        "loss_at_end": last,
        "loss_window_steps": window,
        "quarantined": list(result.quarantined),
    }
    files = [metrics, *(file for item in result.checkpoints for file in sorted(item.folder.iterdir()))]
    return conclude(
        context,
        "passed",
        f"{result.step} steps  loss {first:.3f} → {last:.3f}  {len(result.checkpoints)} checkpoints",
        checks=[*_checks(context, result, first, last), *_watch_checks(context, steps)],
        tables=tables,
        files=files,
        choices=choices,
    )


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
            fix="Look at metrics.jsonl; raise gate.c.train.max_steps (or epochs), or check the training rows.",
        ),
        judged(
            "rows fit",
            "warn",
            result.dropped == 0,
            f"{result.dropped} of {result.dropped + result.examples} rows dropped",
            f"every row within {train.max_length} tokens",
            reason=f"Dropped rows teach nothing: {_some(result.dropped_rows)}.",
            fix="Raise gate.c.train.max_length.",
        ),
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _watch_checks(context: GateContext, steps: Sequence[dict[str, Any]]) -> list[Check]:
    idle, limit = idle_gradient(steps), context.experiment.gate.c.watch.idle_gradient_steps
    flat = flat_start([row["loss"] for row in steps])
    return [
        judged(
            "gradient flows",
            "warn",
            idle < limit,
            f"{idle} steps in a row with gradient 0",
            f"fewer than {limit}",
            reason="Without a gradient the adapter stays what it was: nothing was learnt in these steps.",
            fix="Check gate.c.lora.target_modules and layers, and that the learning rate is not 0.",
        ),
        judged(
            "loss moved at the start",
            "warn",
            flat is None,
            "it moved" if flat is None else f"{flat[0]:.4f} → {flat[1]:.4f}",
            "a change of at least 0.1%",
            reason="A loss that stands still from the first step on: too small a rate, or nothing that trains.",
            fix="Raise gate.c.train.learning_rate, or check gate.c.lora.target_modules.",
        ),
    ]
