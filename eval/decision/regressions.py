"""Where an adapter got better and where worse: gains by family, kind and difficulty, and the tasks that moved most.

Every group's gain is paired and clustered like the decision's own. A group is flagged only when its change is shown
with Holm's correction over all groups of the same division: among twenty kinds one looks worse by chance alone.
The tasks that moved most are a reading list, not findings: extremes of noisy numbers look larger than they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from eval.estimation.estimators import TaskValues, paired_gains, pass_rates
from eval.estimation.intervals import (
    Estimate,
    estimate_gain,
    estimate_rate,
    gain_metric,
    harm_p_value,
    holm,
    rate_metric,
)
from eval.records import Metric, Task, TaskScore

Division = Literal["family", "kind", "difficulty"]
DIVISIONS: tuple[Division, ...] = ("family", "kind", "difficulty")
Flag = Literal["worse", "better", ""]


@dataclass(frozen=True, slots=True)
class Precision:
    """How intervals are computed: the rule's ``alpha``, and ``seed`` and ``resamples`` of the cluster bootstrap."""

    alpha: float
    seed: int
    resamples: int


@dataclass(frozen=True, slots=True)
class GroupGain:
    """One group of tasks under both arms.

    Attributes:
        by, name: the division and the group in it, such as "kind" and "node".
        tasks, clusters: where pass@k is defined in both arms.
        base, cell: pass@k in "%"; ``gain`` their paired difference in "pp"; each with a two-sided interval.
        harm_p: one-sided p-value of "this group did not get worse".
        flag: "worse" or "better" where that is shown after Holm over the groups of the division.
    """

    by: Division
    name: str
    tasks: int
    clusters: int
    base: Metric
    cell: Metric
    gain: Metric
    harm_p: float
    flag: Flag


@dataclass(frozen=True, slots=True)
class TaskMove:
    """One task under both arms: ``c`` of ``n`` valid samples passed, ``gain`` of pass@k in pp."""

    task_id: str
    family: str
    kind: str
    cluster: str
    base_c: int
    base_n: int
    cell_c: int
    cell_n: int
    gain: float


@dataclass(frozen=True, slots=True)
class Movers:
    """The tasks that lost most and those that gained most, the furthest first; a task is in one of them at most."""

    lost: tuple[TaskMove, ...]
    gained: tuple[TaskMove, ...]


def labels_of(tasks: Sequence[Task]) -> dict[Division, dict[str, str]]:
    """Return the group of every task under each division: division → task id → name."""
    return {by: {task.id: str(getattr(task, by)) for task in tasks} for by in DIVISIONS}


def group_gains(
    base: Sequence[TaskScore],
    cell: Sequence[TaskScore],
    labels: Mapping[Division, Mapping[str, str]],
    k: int,
    precision: Precision,
    arms: tuple[str, str] = ("base", "adapter"),
) -> tuple[GroupGain, ...]:
    """Return every group's gain, division by division; tasks without a label are in no group.

    ``arms`` is what the metrics call the two: two adapters can be compared as well as base and adapter.

    A group in which no task has k valid samples in both arms is left out: there is nothing to say of it.

    Raises:
        Refusal: a task is scored twice, or the arms disagree about a task's family or cluster.
    """
    gains = paired_gains(base, cell, k)
    found: list[GroupGain] = []
    for by in DIVISIONS:
        own = labels.get(by, {})
        groups = {name: _only(gains, own, name) for name in sorted({own[i] for i in gains.task_ids if i in own})}
        found += _division(by, groups, {arms[0]: base, arms[1]: cell}, k, precision)
    return tuple(found)


def movers(base: Sequence[TaskScore], cell: Sequence[TaskScore], k: int, at_most: int = 10) -> Movers:
    """Return the tasks whose pass@k moved furthest in each direction, ties in task id order.

    Raises:
        Refusal: a task is scored twice, or the arms disagree about a task's family or cluster.
    """
    gains = paired_gains(base, cell, k)
    before, after = ({score.task_id: score for score in scores} for scores in (base, cell))
    moves = [
        _move(before[task_id], after[task_id], float(value))
        for task_id, value in zip(gains.task_ids, gains.values, strict=True)
    ]
    lost = sorted((move for move in moves if move.gain < 0), key=lambda move: move.gain)
    gained = sorted((move for move in moves if move.gain > 0), key=lambda move: -move.gain)
    return Movers(tuple(lost[:at_most]), tuple(gained[:at_most]))


def _division(
    by: Division,
    groups: Mapping[str, TaskValues],
    arms: Mapping[str, Sequence[TaskScore]],
    k: int,
    precision: Precision,
) -> list[GroupGain]:
    """Return the groups of one division, their flags judged together."""
    options: dict[str, Any] = {"seed": precision.seed, "resamples": precision.resamples, "alpha": precision.alpha}
    estimates = {name: estimate_gain(values, **options) for name, values in groups.items()}
    harm = {name: harm_p_value(estimate) for name, estimate in estimates.items()}
    worse = holm(harm, precision.alpha)
    better = holm({name: harm_p_value(_mirrored(e)) for name, e in estimates.items()}, precision.alpha)
    rows = []
    for name, values in groups.items():
        members = set(values.task_ids)
        base, cell = (
            rate_metric(
                f"pass@{k} {arm}", estimate_rate(pass_rates([s for s in own if s.task_id in members], k), **options)
            )
            for arm, own in arms.items()
        )
        gain = gain_metric(f"pass@{k} gain", estimates[name])
        flag: Flag = "worse" if name in worse else "better" if name in better else ""
        rows.append(GroupGain(by, name, values.n, estimates[name].clusters, base, cell, gain, harm[name], flag))
    return rows


def _mirrored(gain: Estimate) -> Estimate:
    """Return the gain with its sign changed, so that the p-value of harm becomes that of improvement."""
    return gain if gain.value is None else replace(gain, value=-gain.value)


def _only(gains: TaskValues, labels: Mapping[str, str], name: str) -> TaskValues:
    return gains.without({task_id for task_id in gains.task_ids if labels.get(task_id) != name})


def _move(base: TaskScore, cell: TaskScore, gain: float) -> TaskMove:
    return TaskMove(
        base.task_id, base.family, base.kind, base.cluster, base.c, base.n, cell.c, cell.n, round(100 * gain, 6)
    )
