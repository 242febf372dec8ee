"""The bench that the decision must pass, in small: known true gains, our rule beside best-of-nine on the same draws."""

from __future__ import annotations

import numpy as np
import pytest

from eval.power import beta_of_rate
from eval.simulate import World, draw_passes, main, parser, run_trial, simulate, simulated_rule

RULE = simulated_rule(parser().parse_args(["--resamples=2000"]))


def of_gain(gain: float, trials: int, good_cells: int = 9):
    return simulate(World(0.28, gain, good_cells), RULE, trials, seed=1)


def test_the_bench_has_the_default_sizes_of_the_protocol():
    rule = simulated_rule(parser().parse_args([]))
    assert (rule.dev_tasks, rule.dev_samples, rule.test_tasks, rule.test_samples) == (60, 5, 120, 10)
    assert (rule.k, rule.margin_pp, rule.resamples) == (5, 15.0, 10_000)


def test_without_a_true_gain_ours_never_proceeds_where_best_of_nine_does():
    result = of_gain(0.0, 200)
    # 2,000 experiments: 0 of 2,000 ours, 111 naive (python -m eval.simulate).
    assert result.proceed == 0.0
    assert result.adjust > 0.95
    assert result.naive_proceed > 0.0
    assert 0.04 < result.naive_bias < 0.08
    assert abs(result.bias) < 0.01


def test_a_gain_of_twenty_points_mostly_proceeds():
    result = of_gain(0.20, 200)
    # 89% over 2,000; 3 standard errors of 200 trials are 6.6 points.
    assert result.proceed > 0.82
    assert abs(result.bias) < 0.01
    assert 0.90 <= result.coverage <= 0.99
    assert result.se == pytest.approx(result.spread, rel=0.15)


def test_the_samples_of_both_rules_are_counted():
    result = of_gain(0.0, 1)
    assert result.naive_samples == 10 * 60 * 5
    assert result.samples == 10 * 60 * 5 + 2 * 120 * 10


def test_one_good_cell_of_nine_is_usually_the_one_that_is_chosen():
    runs = [run_trial(World(0.28, 0.40, good_cells=1), RULE, np.random.default_rng([2, i])) for i in range(20)]
    assert sum(run.true_gain == 0.40 for run in runs) >= 18


def test_drawn_passes_have_the_rate_and_gain_they_were_drawn_with():
    passes = draw_passes(np.random.default_rng(0), World(0.28, 0.2), [0.2], 60_000, 60_000, 5, 5)
    base, adapter = (passes >= 1).mean(axis=1)
    assert base == pytest.approx(0.28, abs=0.006)
    assert adapter == pytest.approx(0.48, abs=0.006)


def test_drawn_abilities_follow_the_beta_distribution():
    from scipy.stats import beta, kstest

    from eval.simulate import _LATENT_GRID, _ability_table

    table = _ability_table(0.28, 1.0, 5)
    drawn = np.interp(np.random.default_rng(1).standard_normal(5000), _LATENT_GRID, table)
    assert kstest(drawn, beta(*beta_of_rate(0.28, 1.0, 5)).cdf).pvalue > 0.01


def test_trial_i_depends_on_the_seed_and_i_alone():
    first, again = (run_trial(World(0.28, 0.1), RULE, np.random.default_rng([9, 4])) for _ in range(2))
    assert first == again


def test_the_printed_table_has_a_line_per_gain(capsys):
    assert main(["--trials=2", "--gains-pp", "0", "20", "--resamples=1000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["gain", "PROCEED", "ADJUST"]
    assert [line.split()[0] for line in lines[2:4]] == ["+0.0", "+20.0"]
    assert lines[-1] == "samples generated: ours 5400, naive 3000"


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (["--gains-pp", "80"], "between 0 and 100"),
        (["--trials=0"], "--trials is at least 1"),
        (["--good-cells=10"], "--good-cells 0 to 9"),
        (["--test-samples=3"], "test_samples 3 is fewer than k 5"),
    ],
)
def test_sizes_that_make_no_experiment_exit_with_a_sentence(argument, sentence, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(argument)
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gain", "at_least", "at_most"), [(0.0, 0.0, 0.001), (0.05, 0.0, 0.01), (0.10, 0.0, 0.12), (0.20, 0.88, 1.0)]
)
def test_two_thousand_experiments_meet_the_protocols_bars(gain, at_least, at_most):
    rule = simulated_rule(parser().parse_args([]))
    seed = parser().parse_args([]).seed
    assert at_least <= simulate(World(0.28, gain), rule, 2000, seed).proceed <= at_most
