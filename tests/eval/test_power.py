"""Planning: what an experiment can detect before it runs, and how much more would settle it after."""

from __future__ import annotations

import numpy as np
import pytest

from eval.decision.power import (
    VarianceModel,
    beta_of_rate,
    clusters_needed,
    detectable_gain,
    measured_detectable_gain,
    planned_se,
    rate_variances,
)
from eval.estimation.estimators import TaskValues, paired_gains, pass_at_k
from eval.estimation.intervals import Estimate, estimate_gain
from eval.simulate.command import bench_parser, schedule_of, simulated_rule
from eval.simulate.trials import Protocol, run_trial
from eval.simulate.worlds import World, draw_passes, scores_of

SIZES = bench_parser().parse_args(["--test-tasks=120", "--test-clusters=60", "--test-samples=10"])
RULE = simulated_rule(SIZES)


def measured(value: float, se: float, clusters: int) -> Estimate:
    return Estimate(value, se, None, None, None, None, clusters, clusters, 5, "bootstrap+t")


@pytest.mark.parametrize(
    ("tasks", "samples", "se_pp", "detectable_pp"),
    [(60, 5, 6.7, 17.2), (60, 10, 5.7, 13.6), (120, 5, 4.7, 11.6), (120, 10, 3.9, 9.8), (200, 10, 3.1, 7.3)],
)
def test_planning_reproduces_the_power_table_of_the_protocol(tasks, samples, se_pp, detectable_pp):
    # The table in docs/decision-rule.md was simulated with an unpublished model; 5% covers its rounding and its own noise.
    planned = detectable_gain(RULE, tasks, tasks, samples, 0.28, VarianceModel(cluster_correlation=0.0))
    assert 100 * planned.gain == pytest.approx(detectable_pp, rel=0.05)
    assert 100 * planned_se(0.28, 0.15, tasks, tasks, samples, 5, VarianceModel()) == pytest.approx(se_pp, rel=0.05)


def test_the_planned_variance_is_that_of_drawn_samples():
    total, between = rate_variances(0.28, 1.0, 10, 5)
    rng = np.random.default_rng(0)
    chance = rng.beta(*beta_of_rate(0.28, 1.0, 5), size=200_000)
    table = np.array([pass_at_k(10, c, 5) for c in range(11)])
    assert float(np.var(table[rng.binomial(10, chance)])) == pytest.approx(total, rel=0.02)
    assert float(np.var(1 - (1 - chance) ** 5)) == pytest.approx(between, rel=0.02)


def test_planning_matches_the_standard_error_that_is_then_measured():
    rng, world, ses = np.random.default_rng(5), World(0.28, 0.15, cluster_correlation=0.0), []
    for _ in range(100):
        base, cell = draw_passes(rng, world, [0.15], 120, 120, 10, 5)
        gains = paired_gains(scores_of(base, 120, 10), scores_of(cell, 120, 10), 5)
        ses.append(estimate_gain(gains, resamples=1000).se)
    assert float(np.mean(ses)) == pytest.approx(planned_se(0.28, 0.15, 120, 120, 10, 5, VarianceModel()), rel=0.03)


def test_fewer_clusters_detect_less():
    wide, narrow = (detectable_gain(RULE, 120, clusters, 10, 0.28) for clusters in (120, 20))
    assert narrow.gain > wide.gain
    assert "120 tasks in 20 clusters x 10 samples detect a pass@5 gain of" in narrow.sentence


def test_more_tasks_beat_more_samples_at_equal_cost():
    # docs/decision-rule.md: "120 x 5 beats 60 x 10 at equal cost".
    assert detectable_gain(RULE, 120, 120, 5, 0.28).gain < detectable_gain(RULE, 60, 60, 10, 0.28).gain


def test_what_cannot_be_detected_is_none_and_not_one_hundred_percent():
    planned = detectable_gain(RULE, 4, 2, 5, 0.9)
    assert planned.gain is None
    assert planned.sentence.startswith("No gain is detectable")
    assert planned.in_short == "no gain detectable"
    assert detectable_gain(RULE, 120, 120, 10, 0.28).in_short.startswith("detectable gain ")


def test_a_single_cluster_detects_nothing():
    assert detectable_gain(RULE, 60, 1, 10, 0.28).gain is None


@pytest.mark.parametrize(("clusters", "samples"), [(0, 10), (60, 4)])
def test_planning_without_clusters_or_with_fewer_samples_than_k_is_an_error(clusters, samples):
    with pytest.raises(ValueError, match="pass@5 is undefined"):
        detectable_gain(RULE, 60, clusters, samples, 0.28)


def test_more_clusters_follow_the_formula_of_the_protocol():
    # N >= (2.487 sigma / (delta - m))^2 with sigma = SE sqrt(G): here (2.487 * .5 / .05)^2 = 618.5.
    gain = measured(0.10, 0.5 / np.sqrt(400), 400)
    assert 619 <= clusters_needed(gain, 0.15, RULE) <= 1.01 * 619
    assert clusters_needed(measured(0.15, 0.025, 400), 0.15, RULE) is None


def test_the_measured_detectable_gain_is_2_487_standard_errors_for_many_clusters():
    assert measured_detectable_gain(measured(0.1, 0.04, 5000), RULE) == pytest.approx(2.487 * 0.04, rel=1e-3)
    few = measured_detectable_gain(measured(0.1, 0.04, 6), RULE)
    # t(.95, 5) + t(.80, 5) = 2.0150 + 0.9195 (scipy)
    assert few == pytest.approx(2.9345 * 0.04, rel=1e-4)


def test_a_gain_without_variance_has_no_detectable_gain():
    flat = estimate_gain(TaskValues(("a", "b"), ("doc",) * 2, ("a", "b"), np.zeros(2), 5))
    assert measured_detectable_gain(flat, RULE) is None


def test_without_variance_the_clusters_requested_are_the_fewest_whose_bound_settles_it():
    def bounds(clusters, value):
        ids = tuple(f"t{i}" for i in range(clusters))
        return estimate_gain(TaskValues(ids, ("doc",) * clusters, ids, np.full(clusters, value), 5))

    # 1 - .05^(1/G) < .15 needs G > ln .05 / ln .85 = 18.4
    assert clusters_needed(bounds(10, 0.0), 0.15, RULE) == 19
    assert bounds(19, 0.0).upper < 0.15 <= bounds(18, 0.0).upper
    needed = clusters_needed(bounds(3, 0.5), 0.0, RULE)
    assert bounds(needed, 0.5).lower > 0.0 >= bounds(needed - 1, 0.5).lower


@pytest.mark.heavy
def test_eighty_percent_of_experiments_find_the_gain_that_planning_calls_detectable():
    world_of = VarianceModel(cluster_correlation=0.0)
    planned = detectable_gain(RULE, 120, 60, 10, 0.28, world_of)
    world = World(0.28, planned.gain, cluster_correlation=0.0)
    protocol = Protocol(RULE, schedule_of(SIZES))
    runs = [run_trial(world, protocol, np.random.default_rng([3, i])) for i in range(150)]
    found = sum(run.ours["grid"].decision.gain.lower > 0 for run in runs) / len(runs)
    # 3 standard errors of 150 trials at .8 are .098.
    assert abs(found - 0.8) < 0.098


def test_choosing_and_judging_on_the_same_tasks_detects_less_the_more_cells_there_are():
    alone, nine = (detectable_gain(RULE, 60, 30, 5, 0.28, cells=cells).gain for cells in (1, 9))
    # t(1 - .05/9, 29) + t(.8, 29) over t(.95, 29) + t(.8, 29) is 3.57 / 2.55 (scipy)
    assert nine / alone == pytest.approx(3.57 / 2.55, rel=0.04)
