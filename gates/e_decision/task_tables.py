"""The tables of Gate E by task and by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from env.files import digest
from eval.decision.regressions import GroupGain, Movers, Precision, group_gains, labels_of, movers
from eval.decision.rule import DecisionRule
from eval.records import Task
from gates.report.results import Arms, Leak, TaskFacts

MOVERS_NAMED = 10


def task_facts(
    tasks: Sequence[Task], arms: Arms, leaked: Mapping[str, Leak], prompts: Mapping[str, str]
) -> tuple[TaskFacts, ...]:
    """Return of each task its prompt and reference, and how often each arm passed it.

    Args:
        leaked: how much training has seen of a task, as far as it has seen any.
        prompts: what the model reads of each task.
    """
    base = {score.task_id: score for score in arms.base.scores}
    cell = {score.task_id: score for score in arms.cell.scores}
    return tuple(
        TaskFacts(
            task_id=task.id,
            family=task.family,
            kind=task.kind,
            difficulty=task.difficulty,
            cluster=task.cluster,
            instruction=task.instruction,
            input=task.input,
            reference=task.reference,
            answer=task.answer,
            digest=digest(asdict(task)),
            contamination=f"{leak.status} {leak.tier}".rstrip() if (leak := leaked.get(task.id)) is not None else "",
            base_c=base[task.id].c,
            base_n=base[task.id].n,
            cell_c=cell[task.id].c,
            cell_n=cell[task.id].n,
            prompt=prompts[task.id],
        )
        for task in tasks
    )


def gains_by_group(tasks: Sequence[Task], arms: Arms, rule: DecisionRule) -> tuple[GroupGain, ...]:
    """Return the gain of every family, kind and difficulty, at the rule's alpha."""
    precision = Precision(rule.alpha, rule.seed, rule.resamples)
    return group_gains(arms.base.scores, arms.cell.scores, labels_of(tasks), rule.k, precision)


def furthest_movers(arms: Arms, rule: DecisionRule) -> Movers:
    """Return the tasks with the largest change, a few each way."""
    return movers(arms.base.scores, arms.cell.scores, rule.k, MOVERS_NAMED)
