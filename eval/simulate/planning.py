"""How to spend a budget of generations: tasks x samples on dev and test, ranked by how often a good adapter proceeds.

The test gain is taken as normal with the planned standard error of eval/decision/power.py; the race on dev is
drawn with normal block means over cells whose gains rise evenly from none to that of the best. Not covered: what a
task costs to write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from eval.decision.power import VarianceModel, detectable_gain, planned_se, rate_variances
from eval.decision.racing import Schedule, planned_fields, planned_samples, round_ends
from eval.decision.rule import DecisionRule
from eval.estimation.estimators import Floats
from eval.estimation.intervals import SEED
from eval.simulate.worlds import cell_gains

# The limit at 5 points short of the margin (docs/decision-rule.md).
MAX_FALSE_ALARM = 0.12
# Of true pass@k between two cells across tasks: what the worlds of the bench give nine cells.
_CELL_CORRELATION = 0.85
_DRAWS = 4000
_DEV_TASKS = (30, 40, 50, 60, 80, 100, 120, 160)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan must achieve; rates, gains and margin are fractions.

    Attributes:
        gain: true gain of the best cell that should end in PROCEED.
        budget: generations of the whole protocol, at most.
        max_dev_tasks, max_test_tasks: how many tasks there are or can be written.
        tasks_per_cluster: how many tasks share a template, on average.
    """

    base_rate: float
    gain: float
    budget: int
    cells: int
    max_dev_tasks: int
    max_test_tasks: int
    tasks_per_cluster: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """One way to spend the budget.

    Attributes:
        rule: with the sizes of this proposal; ``generations`` of the whole protocol, raced.
        detectable: the gain that ends with a lower bound above zero at the rule's power; None for none.
        power: P(PROCEED) when every cell has the requested gain: what the test tasks alone allow.
        power_raced: P(PROCEED) when only the last of the rising cells has it: including the choice on dev.
        false_alarm: P(PROCEED) when every cell's gain is 5 points below the margin.
    """

    rule: DecisionRule
    generations: int
    detectable: float | None
    power: float
    power_raced: float
    false_alarm: float


def propose(wish: Wish, frozen: DecisionRule, schedule: Schedule) -> list[Proposal]:
    """Return what fits the budget, the most powerful first; [] when nothing does.

    Proposals that would often proceed on a gain 5 points short of the margin rank behind all others: what a small test
    split gains by noise is not power.

    Args:
        frozen: metric, margin and error rates; its sizes are replaced.
    """
    found = [_judged(wish, rule, schedule) for rule in _fitting(wish, frozen, schedule)]
    return sorted(found, key=lambda item: (item.false_alarm > MAX_FALSE_ALARM, -item.power_raced, item.generations))


def _fitting(wish: Wish, frozen: DecisionRule, schedule: Schedule) -> Iterator[DecisionRule]:
    """Yield rules whose test split takes all that dev leaves of the budget."""
    k = frozen.k
    dev_sizes = sorted({min(tasks, wish.max_dev_tasks) for tasks in _DEV_TASKS})
    for dev_tasks in dev_sizes:
        for dev_samples in (k, 2 * k):
            on_dev = dev_tasks * dev_samples + planned_samples(dev_tasks, wish.cells, dev_samples, schedule)
            # one more than k at least: a sample that cannot be verified must not cost the task
            for test_samples in (k + 1, k + 3, 2 * k):
                test_tasks = min(wish.max_test_tasks, (wish.budget - on_dev) // (2 * test_samples))
                sized = (dev_tasks, dev_samples, test_tasks, test_samples)
                if test_tasks >= 2 * wish.tasks_per_cluster and dev_tasks >= 2 * wish.tasks_per_cluster:
                    yield _sized(frozen, sized, wish.tasks_per_cluster)


def _sized(frozen: DecisionRule, sizes: tuple[int, int, int, int], per_cluster: float) -> DecisionRule:
    dev_tasks, dev_samples, test_tasks, test_samples = sizes
    return replace(
        frozen,
        dev_tasks=dev_tasks,
        dev_clusters=max(2, round(dev_tasks / per_cluster)),
        dev_samples=dev_samples,
        test_tasks=test_tasks,
        test_clusters=max(2, round(test_tasks / per_cluster)),
        test_samples=test_samples,
    )


def _judged(wish: Wish, rule: DecisionRule, schedule: Schedule) -> Proposal:
    raced = planned_samples(rule.dev_tasks, wish.cells, rule.dev_samples, schedule)
    on_test = 2 * rule.test_tasks * rule.test_samples
    sizes = (rule.test_tasks, rule.test_clusters, rule.test_samples)
    gains = cell_gains(wish.gain, "ramp", wish.cells)
    chosen = chosen_shares(gains, wish.base_rate, rule, schedule)
    return Proposal(
        rule=rule,
        generations=rule.dev_tasks * rule.dev_samples + raced + on_test,
        detectable=detectable_gain(rule, *sizes, wish.base_rate).gain,
        power=proceed_chance(wish.gain, wish.base_rate, rule),
        power_raced=sum(
            share * proceed_chance(gain, wish.base_rate, rule) for share, gain in zip(chosen, gains, strict=True)
        ),
        false_alarm=proceed_chance(max(0.0, rule.margin - 0.05), wish.base_rate, rule),
    )


def proceed_chance(gain: float, base_rate: float, rule: DecisionRule) -> float:
    """Return P(point reaches the margin and lower bound is above zero) for a true ``gain``, normally approximated."""
    se = planned_se(base_rate, gain, rule.test_tasks, rule.test_clusters, rule.test_samples, rule.k, VarianceModel())
    bar = max(rule.margin, NormalDist().inv_cdf(1 - rule.alpha) * se)
    return NormalDist().cdf((gain - bar) / se)


def chosen_shares(gains: Sequence[float], base_rate: float, rule: DecisionRule, schedule: Schedule) -> Floats:
    """Return how often each cell is chosen by a race over normally drawn block means, shape (cells,)."""
    rng = np.random.default_rng(SEED)
    truth = np.array(gains)
    ends = round_ends(rule.dev_tasks, schedule)
    fields = planned_fields(len(gains), len(ends), schedule)
    sums, alive, done = np.zeros((_DRAWS, truth.size)), np.ones((_DRAWS, truth.size), dtype=bool), 0
    spread = np.sqrt([_own_variance(base_rate + gain, rule) for gain in gains])
    for end, going_on in zip((*ends[: len(fields) - 1], rule.dev_tasks), (*fields[1:], 1), strict=True):
        tasks = end - done
        sums += truth * tasks + rng.standard_normal(sums.shape) * spread * np.sqrt(tasks)
        done = end
        standing = np.where(alive, sums, -np.inf)
        bar = -np.sort(-standing, axis=1)[:, going_on - 1 : going_on]
        alive &= standing >= bar
    shares: Floats = alive.mean(axis=0)
    return shares


def _own_variance(rate: float, rule: DecisionRule) -> float:
    """Return the variance of one task's estimate that a cell does not share with others, cluster effect included."""
    model = VarianceModel()
    total, between = rate_variances(min(rate, 1 - 1e-9), model.concentration, rule.dev_samples, rule.k)
    effect = 1.0 + (rule.dev_tasks / rule.dev_clusters - 1.0) * model.cluster_correlation
    return (total - _CELL_CORRELATION * between) * effect
