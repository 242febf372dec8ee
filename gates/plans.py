"""What each gate will do, without doing it: one line for status screens, and how many units of work."""

from __future__ import annotations

from collections.abc import Callable

from env.counts import counted
from eval.decision.racing import planned_samples
from gates.context import Plan, PlanContext
from gates.measuring.search import why_grid
from gates.settings import Experiment, planned_training, planned_trainings, planned_work
from training.schedule import checkpoint_count


def plan(gate: str, context: PlanContext) -> Plan:
    """Return what ``gate`` will do; nothing is loaded and nothing written."""
    return _PLANS[gate](context)


def _environment(_context: PlanContext) -> Plan:
    """Return what is checked."""
    return Plan("machine, packages, data, one training step, one sample; freezes the rule")


def _baseline(context: PlanContext) -> Plan:
    """Return how many samples of the base are generated."""
    dataset, sampling, rule = context.experiment.dataset, context.experiment.sampling, context.frozen_rule()
    if rule is None and not dataset.tasks_known:
        return Plan(
            f"base model, {counted(sampling.samples_dev, 'sample')} a dev task, {sampling.samples_test} a test task"
        )
    sizes = rule or dataset
    dev, test = sizes.dev_tasks, sizes.test_tasks
    units = dev * sampling.samples_dev + test * sampling.samples_test
    tasks = (
        f"{dev} dev and {counted(test, 'test task')}" if test else f"{counted(dev, 'task')}, none reserved for a test"
    )
    return Plan(f"{counted(units, 'sample')} of the base on {tasks}", units, "samples")


def _training(context: PlanContext) -> Plan:
    """Return how many steps are trained and how many checkpoints they leave."""
    rank = context.experiment.gate.c.lora.r
    if context.experiment.gate.c.rejection is not None:
        return _rejection(context.experiment)
    train = planned_training(context.experiment)
    rows = train.batch_size * train.grad_accum
    if not train.max_steps:
        return Plan(f"{train.epochs:g} epochs in steps of {counted(rows, 'row')}, LoRA r {rank}")
    return Plan(
        f"{counted(train.max_steps, 'step')} of {counted(rows, 'row')}, "
        f"{counted(checkpoint_count(train), 'checkpoint')}, LoRA r {rank}",
        train.max_steps,
        "steps",
    )


def _rejection(experiment: Experiment) -> Plan:
    """Return how many answers are drawn and how many steps are trained, were every round to take place."""
    rejection, rows = experiment.gate.c.rejection, experiment.dataset.rows
    assert rejection is not None
    rounds = counted(rejection.rounds, "round")
    if not (rejection.tasks or rows) or not planned_training(experiment).max_steps:
        return Plan(f"{rounds} of {counted(rejection.samples, 'answer')} a task, LoRA r {experiment.gate.c.lora.r}")
    steps, draws = planned_work(experiment, rows)
    arms = counted(len(rejection.controls), "control arm")
    return Plan(f"{rounds} of {counted(draws // rejection.rounds, 'answer')}, {arms}, {steps:,} steps", steps, "steps")


def _sweep(context: PlanContext) -> Plan:
    """Return how many cells are measured, and on how many samples at most."""
    experiment = context.experiment
    train, config = planned_training(experiment), experiment.gate.d
    if not train.max_steps:
        return Plan(f"every checkpoint x {counted(len(config.scales), 'scale')} on the dev tasks")
    trainings = planned_trainings(experiment, experiment.dataset.rows)
    checkpoints = sum(each.checkpoints for each in trainings if not each.arm)
    cells, rule = checkpoints * len(config.scales), context.frozen_rule()
    summary = f"{counted(checkpoints, 'checkpoint')} x {counted(len(config.scales), 'scale')} on the dev tasks"
    if rule is None and not experiment.dataset.tasks_known:
        return Plan(summary)
    tasks = rule.dev_tasks if rule else experiment.dataset.dev_tasks
    per_task = experiment.sampling.samples_dev
    grid = cells * tasks * per_task
    if why_grid(experiment, rule.selection if rule else experiment.rule.selection, cells):
        return Plan(f"{summary}, {counted(grid, 'sample')}", grid, "samples")
    raced = planned_samples(tasks, cells, per_task, experiment.gate.d.race)
    return Plan(f"{summary}, a race of about {counted(raced, 'sample')} (the grid {grid:,})", raced, "samples")


def _decision(context: PlanContext) -> Plan:
    """Return the rule in one line."""
    experiment, rule = context.experiment, context.frozen_rule()
    summary = f"rule: pass@{experiment.rule.k} gain ≥ {experiment.rule.margin_pp:.1f} pp"
    if rule is not None and rule.selection == "max-t":
        return Plan(
            f"{summary} on the {counted(rule.dev_tasks, 'task')} of the selection, by max-T; nothing is generated"
        )
    known = experiment.dataset.test_tasks if experiment.dataset.tasks_known else 0
    count = rule.test_tasks if rule is not None else known
    tasks = f"{count} " if count else ""
    return Plan(f"{summary} on {tasks}unseen tasks", count * experiment.sampling.samples_test, "samples")


_PLANS: dict[str, Callable[[PlanContext], Plan]] = {
    "a": _environment,
    "b": _baseline,
    "c": _training,
    "d": _sweep,
    "e": _decision,
}
