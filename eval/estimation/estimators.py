"""What is estimated: unbiased pass@k of a task, its gain on the same tasks, and the clustered standard error of a mean.

Everything here is a fraction in [0, 1] (a gain in [-1, 1]); percent and points appear only on output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

from env.refusal import Refusal
from eval.records import TaskScore

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TaskValues:
    """One number per task with the labels that intervals need; the three tuples and ``values`` are parallel.

    Attributes:
        values: pass@k per task in [0, 1], or a gain in [-1, 1]; shape (n,).
        undefined: ids of the tasks left out because an arm has fewer than k valid samples.
    """

    task_ids: tuple[str, ...]
    families: tuple[str, ...]
    clusters: tuple[str, ...]
    values: Floats
    k: int
    undefined: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Return the number of tasks."""
        return len(self.task_ids)

    def of_family(self, family: str) -> TaskValues:
        """Return the tasks of ``family`` alone (``undefined`` is not split by family: it stays empty)."""
        return self._only([i for i, name in enumerate(self.families) if name == family])

    def without(self, task_ids: set[str]) -> TaskValues:
        """Return the tasks that are not in ``task_ids``."""
        return self._only([i for i, task_id in enumerate(self.task_ids) if task_id not in task_ids])

    def _only(self, keep: list[int]) -> TaskValues:
        return TaskValues(
            task_ids=tuple(self.task_ids[i] for i in keep),
            families=tuple(self.families[i] for i in keep),
            clusters=tuple(self.clusters[i] for i in keep),
            values=self.values[keep],
            k=self.k,
        )


@lru_cache(maxsize=4096)
def pass_at_k(n: int, c: int, k: int) -> float | None:
    """Return the unbiased estimate of P(at least one of k samples passes) from ``c`` passes in ``n`` samples.

    1 - C(n-c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374, eq. 1). None when n < k: undefined, not zero.

    Raises:
        ValueError: k < 1, or c outside 0..n.
    """
    if k < 1 or not 0 <= c <= n:
        raise ValueError(f"pass@k needs k >= 1 and 0 <= c <= n, not n={n}, c={c}, k={k}")
    if n < k:
        return None
    return 1.0 - comb(n - c, k) / comb(n, k)


def pass_rates(scores: Sequence[TaskScore], k: int) -> TaskValues:
    """Return pass@k of every task that has at least k valid samples, in task id order; the others are named."""
    ordered = sorted(scores, key=lambda score: score.task_id)
    rates = [(score, pass_at_k(score.n, score.c, k)) for score in ordered]
    defined = [(score, rate) for score, rate in rates if rate is not None]
    return TaskValues(
        task_ids=tuple(score.task_id for score, _ in defined),
        families=tuple(score.family for score, _ in defined),
        clusters=tuple(score.cluster for score, _ in defined),
        values=np.array([rate for _, rate in defined], dtype=np.float64),
        k=k,
        undefined=tuple(score.task_id for score, rate in rates if rate is None),
    )


def paired_gains(base: Sequence[TaskScore], other: Sequence[TaskScore], k: int) -> TaskValues:
    """Return pass@k of ``other`` minus pass@k of ``base`` on the tasks where both are defined, in task id order.

    Raises:
        Refusal: a task is scored twice, or the arms disagree about a task's family or cluster.
    """
    pairs = pair_scores(base, other)
    ids, families, clusters, gains, undefined = [], [], [], [], []
    for task_id, (left, right) in pairs.items():
        before = None if left is None else pass_at_k(left.n, left.c, k)
        after = None if right is None else pass_at_k(right.n, right.c, k)
        if left is None or before is None or after is None:
            undefined.append(task_id)
            continue
        ids.append(task_id)
        families.append(left.family)
        clusters.append(left.cluster)
        gains.append(after - before)
    values = np.array(gains, dtype=np.float64)
    return TaskValues(tuple(ids), tuple(families), tuple(clusters), values, k, tuple(undefined))


def pair_scores(
    base: Sequence[TaskScore], other: Sequence[TaskScore]
) -> dict[str, tuple[TaskScore | None, TaskScore | None]]:
    """Return both arms' scores by task id, sorted; None where an arm does not have the task.

    Raises:
        Refusal: a task is scored twice, or the arms disagree about a task's family or cluster.
    """
    left, right = _by_task(base), _by_task(other)
    for task_id in left.keys() & right.keys():
        one, two = left[task_id], right[task_id]
        if (one.family, one.cluster) != (two.family, two.cluster):
            raise Refusal(
                f'Task "{task_id}" is {one.family}/{one.cluster} in one arm, {two.family}/{two.cluster} in the other.',
                "The arms were measured on different datasets: measure both on the same one.",
            )
    return {task_id: (left.get(task_id), right.get(task_id)) for task_id in sorted(left.keys() | right.keys())}


def _by_task(scores: Sequence[TaskScore]) -> Mapping[str, TaskScore]:
    by_task = {score.task_id: score for score in scores}
    if len(by_task) != len(scores):
        counts: dict[str, int] = {}
        for score in scores:
            counts[score.task_id] = counts.get(score.task_id, 0) + 1
        twice = sorted(task_id for task_id, count in counts.items() if count > 1)
        raise Refusal(f"Tasks scored twice in one arm: {', '.join(twice[:5])}.", "Score each task once.")
    return by_task


def cluster_totals(values: Floats, clusters: Sequence[str]) -> tuple[Floats, Floats]:
    """Return (sum of values, number of tasks) per cluster, clusters in sorted order; two arrays of shape (G,)."""
    _, inverse = np.unique(np.array(clusters, dtype=np.str_), return_inverse=True)
    totals: Floats = np.bincount(inverse, weights=values).astype(np.float64)
    return totals, np.bincount(inverse).astype(np.float64)


def clustered_se(totals: Floats, sizes: Floats) -> float | None:
    """Return the standard error of the mean over tasks when clusters were sampled; None with fewer than two.

    SE^2 = G/(G-1) * sum_g (sum_{i in g} (d_i - mean))^2 / N^2 (Miller 2024, arXiv:2411.00640, clustered errors with
    the small-sample factor). With one task a cluster it is the ordinary standard error, s / sqrt(N).
    """
    groups = totals.size
    if groups < 2:
        return None
    tasks = float(sizes.sum())
    residuals = totals - sizes * (float(totals.sum()) / tasks)
    return sqrt(groups / (groups - 1) * float(residuals @ residuals)) / tasks
