"""Experiments with a known true gain, decided by our rule and by the usual best-of-nine rule on the same draws.

`python -m eval.simulate` prints how often each rule says PROCEED. Selection and decision are the real code on real
TaskScore records, with every bootstrap resample; only tasks and samples are drawn instead of run. A task's pass
probability is Beta distributed (concentration 1, as in eval/power.py); base and adapter share a Gaussian copula; tasks
of a cluster share part of their latent ability; all cells have the stated gain unless --good-cells says fewer.
Not covered: gains that differ by family, missing data, an adapter that is not applied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from env.refusal import Refusal
from eval.cells import Cell
from eval.decision import Decision, Ruling, decide, estimate_mean, select_cell
from eval.estimators import Floats
from eval.guards import Canary, Evidence
from eval.intervals import ALPHA, RESAMPLES, SEED
from eval.power import beta_of_rate
from eval.records import FAMILIES, TaskScore
from eval.rule import DecisionRule

Counts = NDArray[np.int64]

_CELLS = tuple(Cell(step, scale) for step in (40, 80, 120) for scale in (0.25, 0.5, 1.0))
_LATENT_GRID = np.linspace(-8.0, 8.0, 4001)
_BETA_GRID_POINTS = 40_001
_BETA_TAIL = 40.0


@dataclass(frozen=True, slots=True)
class World:
    """What is true in a simulated experiment; rates and gains are fractions.

    Attributes:
        good_cells: how many of the nine cells have ``gain``; the others have none.
        correlation: of base and adapter latent ability; 0.71 gives true pass@5 a correlation near 0.6.
        cell_correlation: share of the adapter's own latent variance that all cells have in common.
        cluster_correlation: share of a latent's variance that the tasks of a cluster have in common.
    """

    base_rate: float
    gain: float
    good_cells: int = len(_CELLS)
    concentration: float = 1.0
    correlation: float = 0.71
    cell_correlation: float = 0.8
    cluster_correlation: float = 0.1


@dataclass(frozen=True, slots=True)
class Trial:
    """One simulated experiment: both verdicts, the chosen cell's true gain, and the naive rule's claim."""

    decision: Decision
    true_gain: float
    naive_gain: float
    samples: int
    naive_samples: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Frequencies over the trials of one world, as fractions.

    Attributes:
        bias, naive_bias: mean of claimed minus true gain.
        coverage: of the two-sided interval; ``lower_coverage`` of the one-sided lower bound.
        se: mean reported standard error of the test gain; ``spread`` is its actual standard deviation.
    """

    gain: float
    trials: int
    proceed: float
    adjust: float
    inconclusive: float
    naive_proceed: float
    bias: float
    naive_bias: float
    coverage: float
    lower_coverage: float
    se: float
    spread: float
    samples: int
    naive_samples: int


@lru_cache(maxsize=32)
def _ability_table(rate: float, concentration: float, k: int) -> Floats:
    """Return the pass probability at each latent of ``_LATENT_GRID``: the Beta quantile of its normal probability.

    The Beta distribution is integrated over the log-odds, where its density is smooth for every a and b.
    """
    a, b = beta_of_rate(rate, concentration, k)
    log_odds = np.linspace(-_BETA_TAIL / a, _BETA_TAIL / b, _BETA_GRID_POINTS)
    log_density = -a * np.logaddexp(0.0, -log_odds) - b * np.logaddexp(0.0, log_odds)
    density = np.exp(log_density - log_density.max())
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    normal = NormalDist()
    probabilities = np.array([normal.cdf(z) for z in _LATENT_GRID])
    quantiles = np.interp(probabilities, cumulative / cumulative[-1], log_odds)
    result: Floats = 1.0 / (1.0 + np.exp(-quantiles))
    result.setflags(write=False)
    return result


def _latents(rng: np.random.Generator, rows: int, tasks: int, clusters: int, share: float) -> Floats:
    """Return standard normal latents, shape (rows, tasks), with correlation ``share`` inside a cluster."""
    common = rng.standard_normal((rows, clusters))[:, np.arange(tasks) % clusters]
    own = rng.standard_normal((rows, tasks))
    result: Floats = sqrt(share) * common + sqrt(1.0 - share) * own
    return result


def draw_passes(
    rng: np.random.Generator, world: World, gains: Sequence[float], tasks: int, clusters: int, samples: int, k: int
) -> Counts:
    """Return passes per arm and task, shape (1 + len(gains), tasks): the base first, then one arm per gain."""
    latents = _latents(rng, 2 + len(gains), tasks, clusters, world.cluster_correlation)
    base, shared, own = latents[0], latents[1], latents[2:]
    new = sqrt(world.cell_correlation) * shared + sqrt(1.0 - world.cell_correlation) * own
    arms = world.correlation * base + sqrt(1.0 - world.correlation**2) * new
    tables = [_ability_table(world.base_rate + gain, world.concentration, k) for gain in (0.0, *gains)]
    abilities = [np.interp(z, _LATENT_GRID, table) for z, table in zip((base, *arms), tables, strict=True)]
    passes: Counts = rng.binomial(samples, np.clip(abilities, 0.0, 1.0))
    return passes


def scores_of(passes: Counts, clusters: int, samples: int) -> list[TaskScore]:
    """Return one arm's scores; tasks go round the clusters, clusters round the families."""
    return [
        TaskScore(f"t{i:04d}", FAMILIES[i % clusters % len(FAMILIES)], f"c{i % clusters:04d}", samples, int(c))
        for i, c in enumerate(passes)
    ]


def run_trial(world: World, rule: DecisionRule, rng: np.random.Generator) -> Trial:
    """Draw one experiment, select on dev and decide on test with the real code, and apply the naive rule to dev."""
    gains = [world.gain if number < world.good_cells else 0.0 for number in range(len(_CELLS))]
    drawn = draw_passes(rng, world, gains, rule.dev_tasks, rule.dev_clusters, rule.dev_samples, rule.k)
    base_dev, *cells_dev = (scores_of(row, rule.dev_clusters, rule.dev_samples) for row in drawn)
    chosen = select_cell(base_dev, dict(zip(_CELLS, cells_dev, strict=True)), rule).chosen
    true_gain = gains[_CELLS.index(chosen)]
    drawn = draw_passes(rng, world, [true_gain], rule.test_tasks, rule.test_clusters, rule.test_samples, rule.k)
    base_test, cell_test = (scores_of(row, rule.test_clusters, rule.test_samples) for row in drawn)
    decision = decide(base_test, cell_test, rule, Evidence(chosen.name, Canary(1.0, 0.0, 8)))
    naive_samples = (1 + len(_CELLS)) * rule.dev_tasks * rule.dev_samples
    return Trial(
        decision=decision,
        true_gain=true_gain,
        naive_gain=_naive_gain(base_dev, cells_dev, rule.k),
        samples=naive_samples + 2 * rule.test_tasks * rule.test_samples,
        naive_samples=naive_samples,
    )


def _naive_gain(base: Sequence[TaskScore], cells: Sequence[Sequence[TaskScore]], k: int) -> float:
    rates = [estimate_mean(scores, k) or 0.0 for scores in (base, *cells)]
    return max(rates[1:]) - rates[0]


def simulate(world: World, rule: DecisionRule, trials: int, seed: int) -> Outcomes:
    """Return how often each verdict fell over ``trials`` experiments; trial i depends on (seed, i) alone."""
    runs = [run_trial(world, rule, np.random.default_rng([seed, number])) for number in range(trials)]
    gains = [run.decision.gain for run in runs]
    truth = np.array([run.true_gain for run in runs])
    value, low, high, lower, se = (
        np.array([getattr(gain, name) for gain in gains], dtype=np.float64)
        for name in ("value", "low", "high", "lower", "se")
    )
    naive = np.array([run.naive_gain for run in runs])
    share = {ruling: sum(run.decision.verdict is ruling for run in runs) / trials for ruling in Ruling}
    return Outcomes(
        gain=world.gain,
        trials=trials,
        proceed=share[Ruling.PROCEED],
        adjust=share[Ruling.ADJUST],
        inconclusive=share[Ruling.INCONCLUSIVE],
        naive_proceed=float(np.mean(naive >= rule.margin)),
        bias=float(np.mean(value - truth)),
        naive_bias=float(np.mean(naive - world.gain)),
        coverage=float(np.mean((low <= truth) & (truth <= high))),
        lower_coverage=float(np.mean(lower <= truth)),
        se=float(se.mean()),
        spread=float(np.std(value - truth)),
        samples=runs[0].samples,
        naive_samples=runs[0].naive_samples,
    )


def simulated_rule(sizes: argparse.Namespace) -> DecisionRule:
    """Return the default rule at the asked sizes."""
    return DecisionRule(
        k=5,
        margin_pp=sizes.margin_pp,
        alpha=ALPHA,
        power=0.8,
        selection="split",
        dev_tasks=sizes.dev_tasks,
        dev_clusters=sizes.dev_clusters,
        dev_samples=sizes.dev_samples,
        test_tasks=sizes.test_tasks,
        test_clusters=sizes.test_clusters,
        test_samples=sizes.test_samples,
        families=FAMILIES,
        noninferiority_pp=10.0,
        max_missing_pct=1.0,
        max_missing_gap_pp=1.0,
        canary_min_nats=1e-3,
        canary_max_zero_nats=1e-3,
        seed=SEED,
        resamples=sizes.resamples,
        splits_digest="simulated",
    )


def table_line(result: Outcomes) -> str:
    """Return one row of the printed table, in percent and points."""
    shares = (result.proceed, result.adjust, result.inconclusive, result.naive_proceed)
    points = (result.bias, result.naive_bias, result.se, result.spread)
    covers = (result.coverage, result.lower_coverage)
    return f"{100 * result.gain:+6.1f} " + " ".join(
        [
            *(f"{100 * share:8.2f}" for share in shares),
            *(f"{100 * point:+7.2f}" for point in points),
            *(f"{100 * cover:7.1f}" for cover in covers),
        ]
    )


HEADER = "  gain  PROCEED   ADJUST INCONCL.   naive     bias n.bias      SE  spread   cover  lower"


def parser() -> argparse.ArgumentParser:
    """Return the command line, whose defaults are the sizes and the world of the acceptance bench."""
    arguments = argparse.ArgumentParser(prog="python -m eval.simulate", description=__doc__)
    integers = {
        "trials": 2000,
        "seed": SEED,
        "resamples": RESAMPLES,
        "dev-tasks": 60,
        "dev-clusters": 30,
        "dev-samples": 5,
        "test-tasks": 120,
        "test-clusters": 60,
        "test-samples": 10,
        "good-cells": len(_CELLS),
    }
    for name, value in integers.items():
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--gains-pp", type=float, nargs="+", default=[0.0, 5.0, 10.0, 20.0])
    arguments.add_argument("--margin-pp", type=float, default=15.0)
    arguments.add_argument("--base-pct", type=float, default=28.0, help="the base's true pass@5")
    arguments.add_argument("--cluster-correlation", type=float, default=0.1, help="latent, inside a cluster")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line per true gain and return 0; exits with 2 and a sentence on sizes that make no experiment."""
    arguments = parser()
    asked = arguments.parse_args(argv)
    if asked.trials < 1 or not 0 <= asked.good_cells <= len(_CELLS) or not 0 <= asked.cluster_correlation <= 1:
        arguments.error(f"--trials is at least 1, --good-cells 0 to {len(_CELLS)}, --cluster-correlation 0 to 1")
    if not all(0 < asked.base_pct + gain < 100 for gain in (0.0, *asked.gains_pp)):
        arguments.error("--base-pct and every base plus gain lie between 0 and 100, exclusively")
    try:
        rule = simulated_rule(asked)
    except Refusal as refusal:
        arguments.error(str(refusal))
    write = sys.stdout.write
    write(
        f"{asked.trials} experiments a line; dev {rule.dev_tasks} x {rule.dev_samples} in {rule.dev_clusters} "
        f"clusters, test {rule.test_tasks} x {rule.test_samples} in {rule.test_clusters}; {len(_CELLS)} cells, "
        f"{asked.good_cells} with the gain; percent and points\n{HEADER}\n"
    )
    for gain_pp in asked.gains_pp:
        world = World(
            base_rate=asked.base_pct / 100.0,
            gain=gain_pp / 100.0,
            good_cells=asked.good_cells,
            cluster_correlation=asked.cluster_correlation,
        )
        result = simulate(world, rule, asked.trials, asked.seed)
        write(table_line(result) + "\n")
        sys.stdout.flush()
    write(f"samples generated: ours {result.samples}, naive {result.naive_samples}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
