"""The bench that the decision must pass, in small: known true gains, our rule beside best-of-nine on the same draws."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import sqrt

import numpy as np
import pytest

from eval.decision.power import beta_of_rate
from eval.decision.racing import Place, grid_course
from eval.decision.selection import select_cell
from eval.simulate.command import bench_line, bench_parser, main, plan_parser, schedule_of, simulated_rule
from eval.simulate.planning import MAX_FALSE_ALARM, Wish, chosen_shares, proceed_chance, propose
from eval.simulate.trials import Outcomes, Protocol, run_trial, simulate
from eval.simulate.worlds import CELLS, World, cell_gains, draw_passes, scores_of

ASKED = bench_parser().parse_args(["--resamples=1000"])
SMALL = Protocol(simulated_rule(ASKED), schedule_of(ASKED))
TRIALS = 150


@cache
def of_gain(gain: float, trials: int = TRIALS, shape: str = "equal") -> dict[str, Outcomes]:
    return {found.rule: found for found in simulate(World(0.28, gain, shape), SMALL, trials, seed=1)}


def noise(share: float, trials: int = TRIALS) -> float:
    """Three binomial standard errors."""
    return 3 * sqrt(share * (1 - share) / trials)


def test_the_bench_has_the_default_sizes_and_the_default_race():
    from runner.runs.config import compose_experiment

    experiment = compose_experiment([])[0]
    asked = bench_parser().parse_args([])
    rule, race = simulated_rule(asked), experiment.gate.d.race
    assert (rule.dev_tasks, rule.test_tasks) == (experiment.dataset.dev_tasks, experiment.dataset.test_tasks)
    assert rule.dev_samples == experiment.sampling.samples_dev
    assert rule.test_samples == experiment.sampling.samples_test
    for key in ("k", "margin_pp", "alpha", "power", "resamples"):
        assert getattr(rule, key) == getattr(experiment.rule, key), key
    for arguments in (bench_parser(), plan_parser()):
        schedule = schedule_of(arguments.parse_args([]))
        assert (schedule.task_pct, schedule.min_tasks) == (race.task_pct, race.min_tasks)
        assert (schedule.keep_pct, schedule.finalists) == (race.keep_pct, race.finalists)


@pytest.mark.heavy
def test_without_a_true_gain_ours_never_proceeds_where_best_of_nine_does():
    found = of_gain(0.0)
    # of 2,000 experiments: none of ours, 111 of the usual rule's (python -m eval.simulate)
    for search in ("race", "grid"):
        assert found[search].proceed == 0.0
        assert found[search].adjust > 0.99 - noise(0.99)
        assert abs(found[search].bias) < 3 * 0.0372 / sqrt(TRIALS)
    assert found["best of nine"].proceed > 0.0
    assert 0.04 < found["best of nine"].bias < 0.08


@pytest.mark.heavy
def test_a_gain_of_twenty_points_mostly_proceeds_and_the_race_takes_fewer_samples_than_the_usual_rule():
    found = of_gain(0.20)
    for search in ("race", "grid"):
        assert found[search].proceed > 0.885 - noise(0.885)
        assert abs(found[search].coverage - 0.95) < noise(0.95)
        assert found[search].se == pytest.approx(found[search].spread, rel=0.2)
    assert found["race"].samples == 300 + 870 + 2 * 150 * 6 == 2970
    assert found["grid"].samples == 300 + 2700 + 2 * 150 * 6 == 4800
    assert found["best of nine"].samples == 10 * 60 * 5 == 3000


@pytest.mark.heavy
def test_a_race_over_rising_cells_still_finds_one_nearly_as_good_as_the_grid_does():
    found = of_gain(0.40, 60, "ramp")
    assert found["grid"].quality > 0.36
    # the race costs about a point of true gain when the cells are 5 points apart
    assert found["grid"].quality - 0.03 < found["race"].quality <= 0.40


def test_one_good_cell_of_nine_is_mostly_found():
    runs = [run_trial(World(0.28, 0.40, "one"), SMALL, np.random.default_rng([2, i])) for i in range(20)]
    assert sum(run.ours["grid"].true_gain == 0.40 for run in runs) >= 18
    assert sum(run.ours["race"].true_gain == 0.40 for run in runs) >= 15


def test_the_race_of_a_trial_is_the_real_one_and_its_grid_the_real_choice():
    world, rng, rule = World(0.28, 0.3, "ramp"), np.random.default_rng([4, 4]), SMALL.rule
    trial = run_trial(world, SMALL, np.random.default_rng([4, 4]))
    drawn = draw_passes(rng, world, world.gains, rule.dev_tasks, rule.dev_clusters, rule.dev_samples, rule.k)
    base, *cells = (scores_of(row, rule.dev_clusters, rule.dev_samples) for row in drawn)
    chosen = select_cell(base, dict(zip(CELLS, cells, strict=True)), rule).chosen
    assert trial.ours["grid"].decision.cell == chosen.name
    places = [Place(s.task_id, s.family, s.cluster) for s in base]
    assert grid_course(places, 9).samples(5) == trial.ours["grid"].samples - 300 - 1800


@pytest.mark.heavy
def test_two_processes_give_the_numbers_of_one():
    world, few = World(0.28, 0.2), replace(SMALL, rule=replace(SMALL.rule, resamples=1000))
    assert simulate(world, few, 30, 5, processes=2) == simulate(world, few, 30, 5)


def test_drawn_passes_have_the_rate_and_gain_they_were_drawn_with():
    passes = draw_passes(np.random.default_rng(0), World(0.28, 0.2), [0.2], 60_000, 60_000, 5, 5)
    base, adapter = (passes >= 1).mean(axis=1)
    assert base == pytest.approx(0.28, abs=0.006)
    assert adapter == pytest.approx(0.48, abs=0.006)


def test_drawn_abilities_follow_the_beta_distribution():
    from scipy.stats import beta, kstest

    from eval.simulate.worlds import _LATENT_GRID, _ability_table

    table = _ability_table(0.28, 1.0, 5)
    drawn = np.interp(np.random.default_rng(1).standard_normal(5000), _LATENT_GRID, table)
    assert kstest(drawn, beta(*beta_of_rate(0.28, 1.0, 5)).cdf).pvalue > 0.01


def test_trial_i_depends_on_the_seed_and_i_alone():
    first, again = (run_trial(World(0.28, 0.1), SMALL, np.random.default_rng([9, 4])) for _ in range(2))
    assert first == again


def test_the_shapes_of_a_world_end_with_the_best_cell():
    assert cell_gains(0.2, "equal", 3) == (0.2, 0.2, 0.2)
    assert cell_gains(0.2, "ramp", 3) == (0.0, 0.1, 0.2)
    assert cell_gains(0.2, "one", 3) == (0.0, 0.0, 0.2)


def test_the_printed_table_has_a_line_per_gain_and_rule(capsys):
    arguments = ["--trials=2", "--gains-pp", "0", "20", "--resamples=1000", "--processes=1", "--cells", "equal"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split()[:4] == ["true", "gain", "rule", "PROCEED"]
    assert [line.split()[:2] for line in lines[4:]] == [
        [gain, rule] for gain in ("+0.0", "+20.0") for rule in ("race", "grid", "best")
    ]
    assert [line.split()[-1] for line in lines[4:7]] == ["2,970", "4,800", "3,000"]
    assert all(len(line) == len(lines[3]) for line in lines[4:])


def test_what_a_rule_does_not_say_is_a_dash_and_not_a_zero():
    line = bench_line(Outcomes("best of nine", 0.0, 10, 0.1, None, None, 0.05, 0.0, 3000.0))
    assert line.split()[4:] == ["10.00", "-", "-", "+5.00", "-", "-", "-", "-", "+0.00", "3,000"]


def test_the_plan_proposes_what_the_configuration_has_as_default(capsys):
    assert main(["plan", "--max-test-tasks=150", "--check=0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split()[1:9] == ["60", "x", "5", "150", "x", "6", "2,970", "10.0"]
    assert lines[-1].startswith("proposed: dataset.dev_tasks=60 sampling.samples_dev=5 dataset.test_tasks=150")


def test_a_plan_is_checked_by_simulated_experiments(capsys):
    assert main(["plan", "--budget=1500", "--check=4", "--top=1"]) == 0
    assert "checked by 4 simulated experiments" in capsys.readouterr().out


WISH = Wish(0.28, 0.20, 3000, 9, 1000, 1000, 2.0)


def test_every_proposal_keeps_to_the_budget_and_to_the_tasks_there_are():
    found = propose(replace(WISH, max_dev_tasks=70, max_test_tasks=90), SMALL.rule, SMALL.schedule)
    assert found
    assert all(item.generations <= 3000 for item in found)
    assert all(item.rule.dev_tasks <= 70 and item.rule.test_tasks <= 90 for item in found)


def test_what_a_noisy_test_split_wins_ranks_behind_what_keeps_the_false_alarms_down():
    found = propose(WISH, SMALL.rule, SMALL.schedule)
    noisy = [item.false_alarm > MAX_FALSE_ALARM for item in found]
    assert noisy == sorted(noisy)
    assert not noisy[0]
    assert noisy[-1]
    calm = [item.power_raced for item, loud in zip(found, noisy, strict=True) if not loud]
    assert calm == sorted(calm, reverse=True)


@pytest.mark.heavy
def test_more_budget_never_means_less_power():
    best = [propose(replace(WISH, budget=b), SMALL.rule, SMALL.schedule)[0].power_raced for b in (2000, 3000, 6000)]
    assert best == sorted(best)
    assert propose(replace(WISH, budget=100), SMALL.rule, SMALL.schedule) == []


@pytest.mark.heavy
def test_the_planned_chance_to_proceed_is_the_simulated_one():
    planned = proceed_chance(0.20, 0.28, SMALL.rule)
    assert abs(of_gain(0.20)["grid"].proceed - planned) < noise(planned) + 0.02


@pytest.mark.heavy
def test_the_planned_choice_of_a_race_is_the_simulated_one():
    gains = cell_gains(0.20, "ramp", 9)
    planned = float(chosen_shares(gains, 0.28, SMALL.rule, SMALL.schedule) @ np.array(gains))
    # the spread of the chosen cell's gain is some 3 points; and blocks are not truly normal
    assert of_gain(0.20, 100, "ramp")["race"].quality == pytest.approx(planned, abs=3 * 0.03 / sqrt(100) + 0.007)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (["--gains-pp", "80"], "a gain of 80 on a base of 28 is not between 0 and 100"),
        (["--base-pct=nan"], "--base-pct nan is not between 0 and 100"),
        (["--trials=0"], "--trials 0 is not at least 1"),
        (["--processes=0"], "--processes 0 is not at least 1"),
        (["--test-samples=3"], "test_samples 3 is fewer than k 5"),
        (["--race-task-pct", "20", "10"], "task_pct"),
        (["plan", "--budget=10"], "No test split fits a budget of 10 generations"),
        (["plan", "--gain-pp=10"], "--gain-pp 10 is not above the margin of 15"),
        (["plan", "--margin-pp=0"], "--margin-pp 0 is not between 0 and 100"),
        (["plan", "--base-pct=99"], "is not between 0 and 100"),
        (["plan", "--cells=0"], "--cells 0 is not between 1 and 1000"),
    ],
)
def test_arguments_that_make_no_experiment_exit_with_one_sentence(argument, sentence, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(argument)
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.out == ""
    assert "Traceback" not in printed.err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("gain", "at_least", "at_most"), [(0.0, 0.0, 0.001), (0.05, 0.0, 0.01), (0.10, 0.0, 0.12), (0.20, 0.88, 1.0)]
)
def test_two_thousand_experiments_meet_the_protocols_bars(gain, at_least, at_most):
    asked = bench_parser().parse_args([])
    protocol = Protocol(simulated_rule(asked), schedule_of(asked))
    found = simulate(World(0.28, gain), protocol, 2000, asked.seed, asked.processes)
    race, grid, _ = found
    for ours in (race, grid):
        assert at_least <= ours.proceed <= at_most
        assert 0.93 <= ours.coverage <= 0.97
    assert race.samples <= 3000
