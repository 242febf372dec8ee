"""What an experiment can detect: a planning figure before data exist, and how many clusters would settle it after.

The planning model: a task's pass probability per sample is Beta distributed with a fixed concentration, samples are
independent given it, true pass@k of base and adapter correlate across tasks, gains correlate inside a cluster.
Concentration 1 and correlation 0.6 reproduce the standard errors of the power table in docs/decision-rule.md within 4%.
Not covered: tasks of very different sizes of gain beyond what the correlation says, clusters of very unequal size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, comb, floor, inf, log, log1p, sqrt

from env.counts import counted
from eval.decision.rule import DecisionRule
from eval.estimation.estimators import pass_at_k
from eval.estimation.intervals import Estimate
from eval.estimation.student_t import t_quantile

_BISECTIONS = 100


@dataclass(frozen=True, slots=True)
class VarianceModel:
    """What planning assumes about tasks.

    Attributes:
        concentration: a + b of the Beta distribution of a task's pass probability; small means easy and hard tasks
            with little between.
        correlation: of true pass@k between base and adapter across tasks, in [0, 1].
        cluster_correlation: of the measured gains of two tasks in one cluster, in [0, 1].
    """

    concentration: float = 1.0
    correlation: float = 0.6
    cluster_correlation: float = 0.05


@dataclass(frozen=True, slots=True)
class DetectableGain:
    """The smallest true gain that ends with a lower bound above zero at the rule's power, as a fraction.

    ``gain`` is None when even solving every task would not be detected. ``se`` is the planned standard error there.
    """

    gain: float | None
    se: float
    n_tasks: int
    n_clusters: int
    n_samples: int
    base_rate: float
    sentence: str

    @property
    def in_short(self) -> str:
        """Return the gain in a few words, in percentage points."""
        return "no gain detectable" if self.gain is None else f"detectable gain {100 * self.gain:.1f} pp"


def _fail_moment(fail: float, concentration: float, power: int) -> float:
    """Return E[q^power] for a fail probability q ~ Beta(fail, concentration - fail)."""
    moment = 1.0
    for step in range(power):
        moment *= (fail + step) / (concentration + step)
    return moment


def beta_of_rate(rate: float, concentration: float, k: int) -> tuple[float, float]:
    """Return (a, b) of the Beta distribution of per-sample pass probabilities whose mean pass@k is ``rate``.

    Raises:
        ValueError: ``rate`` is not strictly between 0 and 1.
    """
    if not 0.0 < rate < 1.0:
        raise ValueError(f"a mean pass@k must lie strictly between 0 and 1, not {rate}")
    low, high = 0.0, concentration
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if 1.0 - _fail_moment(middle, concentration, k) > rate else (low, middle)
    return concentration - middle, middle


def rate_variances(rate: float, concentration: float, n: int, k: int) -> tuple[float, float]:
    """Return (total, between) variance of a task's pass@k estimate from ``n`` samples, drawn over tasks.

    The total follows from two random k-subsets of the n samples: they share j with hypergeometric probability, and
    both fail with E[q^(2k-j)]. The between part is the variance of the true pass@k.
    """
    _, fail = beta_of_rate(rate, concentration, k)
    both_fail = sum(
        comb(k, shared) * comb(n - k, k - shared) / comb(n, k) * _fail_moment(fail, concentration, 2 * k - shared)
        for shared in range(k + 1)
    )
    square = _fail_moment(fail, concentration, k) ** 2
    return both_fail - square, _fail_moment(fail, concentration, 2 * k) - square


def planned_se(
    base_rate: float, gain: float, n_tasks: int, n_clusters: int, n_samples: int, k: int, model: VarianceModel
) -> float:
    """Return the standard error of the mean paired gain that ``model`` expects, as a fraction."""
    base_total, base_between = rate_variances(base_rate, model.concentration, n_samples, k)
    other_total, other_between = rate_variances(base_rate + gain, model.concentration, n_samples, k)
    shared = 2.0 * model.correlation * sqrt(base_between * other_between)
    design_effect = 1.0 + (n_tasks / n_clusters - 1.0) * model.cluster_correlation
    return sqrt((base_total + other_total - shared) / n_tasks * design_effect)


def detectable_gain(
    rule: DecisionRule,
    n_tasks: int,
    n_clusters: int,
    n_samples: int,
    base_rate: float,
    model: VarianceModel | None = None,
    cells: int = 1,
) -> DetectableGain:
    """Return the gain that would be detected with the rule's power, before any sample is drawn.

    It solves gain = (t_alpha + t_power) * SE(gain), with t on G - 1 degrees of freedom; fewer than two clusters
    detect nothing.

    Args:
        base_rate: assumed (or, after Gate B, measured) mean pass@k of the base, strictly between 0 and 1.
        cells: among how many the judged cell is chosen on the same tasks; its bound is planned at alpha / cells, which
            max-T betters a little, since cells correlate.

    Raises:
        ValueError: n_samples < k, no cluster, or ``base_rate`` at 0 or 1.
    """
    model = model or VarianceModel()
    if pass_at_k(n_samples, 0, rule.k) is None or n_clusters < 1:
        raise ValueError(f"pass@{rule.k} is undefined with {n_samples} samples on {n_clusters} clusters")
    factor = _detection_factor(rule, n_clusters, cells) if n_clusters > 1 else inf
    low, high = 0.0, (1.0 - base_rate) * (1.0 - 1e-9)
    sizes = f"{counted(n_tasks, 'task')} in {counted(n_clusters, 'cluster')} x {counted(n_samples, 'sample')}"
    if factor * planned_se(base_rate, high, n_tasks, n_clusters, n_samples, rule.k, model) > high:
        sentence = f"No gain is detectable with {sizes}."
        se = planned_se(base_rate, high, n_tasks, n_clusters, n_samples, rule.k, model)
        return DetectableGain(None, se, n_tasks, n_clusters, n_samples, base_rate, sentence)
    for _ in range(_BISECTIONS):
        gain = (low + high) / 2.0
        se = planned_se(base_rate, gain, n_tasks, n_clusters, n_samples, rule.k, model)
        low, high = (low, gain) if gain > factor * se else (gain, high)
    sentence = (
        f"{sizes} detect a pass@{rule.k} gain of "
        f"{100 * gain:.1f} pp with {100 * rule.power:.0f}% power (base assumed at {100 * base_rate:.0f}%)."
    )
    return DetectableGain(gain, se, n_tasks, n_clusters, n_samples, base_rate, sentence)


def measured_detectable_gain(gain: Estimate, rule: DecisionRule) -> float | None:
    """Return (t_alpha + t_power) * SE from the measured standard error, as a fraction; None when there is none."""
    if gain.se is None or gain.method == "zero variance":
        return None
    return _detection_factor(rule, gain.clusters) * gain.se


def clusters_needed(gain: Estimate, target: float, rule: DecisionRule) -> int | None:
    """Return how many clusters in all would tell a true gain of ``gain.value`` from ``target``, with the rule's power.

    N >= ((z_alpha + z_power) * sigma / (gain - target))^2 with sigma = SE * sqrt(G), that is 2.487 at 5% and 80%; t
    replaces z. Without variance it is the number at which the zero variance bound passes the target. None when the
    gain sits on the target.
    """
    if gain.value is None or gain.value == target:
        return None
    if gain.method == "zero variance" or gain.se is None:
        return max(gain.clusters, _clusters_of_bound(gain.value, target, rule.alpha))
    ratio = _detection_factor(rule, gain.clusters) * gain.se / (gain.value - target)
    return max(gain.clusters, ceil(gain.clusters * ratio * ratio))


def _clusters_of_bound(value: float, target: float, alpha: float) -> int:
    """Return the smallest G whose hidden share 1 - alpha^(1/G) cannot carry a mean from ``value`` to ``target``."""
    share = (target - value) / (1.0 - value) if value < target else (value - target) / (1.0 + value)
    return floor(log(alpha) / log1p(-share)) + 1


def _detection_factor(rule: DecisionRule, groups: int, cells: int = 1) -> float:
    return t_quantile(1.0 - rule.alpha / cells, groups - 1) + t_quantile(rule.power, groups - 1)
