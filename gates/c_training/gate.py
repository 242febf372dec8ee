"""Gate C, training: adapter checkpoints of the base on the training rows, resumable at every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from env.checks import Check, judged
from env.counts import counted, listed_text
from gates.c_training.hooks import Hooks, read_metrics
from gates.context import GateContext, Progress, StopRequested, conclude
from gates.measuring.bench import approved_dataset, base_facts, one_process, require_same_base
from gates.measuring.pace import as_recorded, recorded_pace
from gates.measuring.prompting import examples_of, recorded_form, require_same_training_prompts
from gates.report import GateReport
from gates.report.results import BaseFacts, CheckpointFacts, EnvironmentResults, TrainingFacts, TrainingResults
from training.loss_watch import flat_start, idle_gradient
from training.models import load_model
from training.records import TrainingDiverged, TrainResult, TrainSettings
from training.schedule import with_steps


def run(context: GateContext) -> GateReport:
    """Train, or resume training. Passes when every scheduled checkpoint is verified; says no when training diverged."""
    experiment, config = context.experiment, context.experiment.gate.c
    dataset = approved_dataset(context)
    context.on_progress(Progress("loading model", 0, 0, ""))
    held = as_recorded(one_process(experiment.model), recorded_pace(context))
    model = load_model(experiment.backend.name, held)
    train = with_steps(config.train, len(dataset.rows))
    hooks = Hooks(context, train.max_steps)
    try:
        require_same_base(model, context.earlier(EnvironmentResults))
        examples = examples_of(dataset.rows, model, recorded_form(context))
        require_same_training_prompts(context, examples)
        result = model.train(examples, config.lora, train, context.folder / "checkpoints", hooks)
        base = base_facts(model)
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
    return _report(context, result, base, choices, hooks.metrics)


def _after_divergence(train: TrainSettings) -> str:
    longer = f", or lengthen gate.c.train.warmup_steps (now {train.warmup_steps})"
    return (
        f"Lower gate.c.train.learning_rate (now {train.learning_rate:g}){longer}: `advance` then trains from scratch."
    )


def _report(
    context: GateContext, result: TrainResult, base: BaseFacts, choices: dict[str, str], metrics: Path
) -> GateReport:
    steps = read_metrics(metrics)
    window = max(1, min(10, len(steps) // 2))
    first, last = _mean_loss(steps[:window]), _mean_loss(steps[-window:])
    checkpoints = tuple(
        CheckpointFacts(
            step=item.step,
            folder=item.folder.relative_to(context.run_dir).as_posix(),
            digest=item.digest,
            loss=item.loss,
        )
        for item in result.checkpoints
    )
    training = TrainingFacts(
        steps=result.step,
        examples=result.examples,
        dropped=result.dropped,
        dropped_rows=tuple(result.dropped_rows),
        trainable_parameters=result.trainable,
        trainable_patterns=result.patterns,
        targets=result.targets,
        sessions=tuple(sorted({row["session"] for row in steps})),
        loss_at_start=first,
        loss_at_end=last,
        loss_window_steps=window,
        quarantined=tuple(result.quarantined),
    )
    files = [metrics, *(file for item in result.checkpoints for file in sorted(item.folder.iterdir()))]
    return conclude(
        context,
        "passed",
        f"{counted(result.step, 'step')}  loss {first:.3f} → {last:.3f}  "
        f"{counted(len(result.checkpoints), 'checkpoint')}",
        checks=[*_checks(context, result, first, last), *_watch_checks(context, steps)],
        results=TrainingResults(base=base, checkpoints=checkpoints, training=training),
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
