"""Supervised fine-tuning: one adapter on the training rows, with checkpoints that resume exactly."""

from __future__ import annotations

from env.counts import counted
from gates.c_training.concluding import (
    after_divergence,
    checkpoint_facts,
    checkpoint_files,
    training_checks,
    training_facts,
)
from gates.c_training.hooks import Hooks, read_metrics
from gates.context import GateContext, Progress, StopRequested, conclude
from gates.measuring.bench import approved_dataset, base_facts, loaded, one_process, require_same_base
from gates.measuring.pace import as_recorded, recorded_pace
from gates.measuring.prompting import examples_of, recorded_form, require_same_training_prompts
from gates.report import GateReport
from gates.report.results import BaseFacts, EnvironmentResults, TrainingResults
from training.records import TrainingDiverged, TrainResult
from training.schedule import with_steps


def run(context: GateContext) -> GateReport:
    """Train, or resume training. Passes when every scheduled checkpoint is verified; says no when training diverged."""
    experiment, config = context.experiment, context.experiment.gate.c
    dataset = approved_dataset(context)
    context.on_progress(Progress("loading model", 0, 0, ""))
    held = as_recorded(one_process(experiment.model), recorded_pace(context))
    model = loaded(context, held)
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
            reasons=[str(error), after_divergence(train)],
            files=[hooks.metrics] if hooks.metrics.is_file() else [],
        )
    finally:
        model.close()
    if result.status == "stopped":
        raise StopRequested
    return _report(context, result, base, choices, hooks)


def _report(
    context: GateContext, result: TrainResult, base: BaseFacts, choices: dict[str, str], hooks: Hooks
) -> GateReport:
    steps = read_metrics(hooks.metrics)
    learnt = training_facts(result, steps)
    return conclude(
        context,
        "passed",
        f"{counted(result.step, 'step')}  loss {learnt.loss_at_start:.3f} → {learnt.loss_at_end:.3f}  "
        f"{counted(len(result.checkpoints), 'checkpoint')}",
        checks=training_checks(context, result, steps),
        results=TrainingResults(base=base, checkpoints=checkpoint_facts(context, result), training=learnt),
        files=[hooks.metrics, *checkpoint_files(result)],
        choices=choices,
    )
