"""What is true in a simulated experiment, and the passes that are drawn from it.

A task's pass probability is Beta distributed (concentration 1, as in eval/decision/power.py); base and adapter
share a Gaussian copula; tasks of a cluster share part of their latent ability. Not covered: gains that differ by
family, missing data, an adapter that is not applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.decision.cells import Cell
from eval.decision.power import beta_of_rate
from eval.estimation.estimators import Floats
from eval.records import TaskScore

Counts = NDArray[np.int64]
Shape = Literal["equal", "ramp", "one"]
SHAPES: tuple[Shape, ...] = ("equal", "ramp", "one")
# The families of a simulated experiment are names only.
FAMILIES = ("scaffold", "repair", "doc", "refactor")

CELLS = tuple(Cell(step, scale) for step in (40, 80, 120) for scale in (0.25, 0.5, 1.0))
_LATENT_GRID = np.linspace(-8.0, 8.0, 4001)
_BETA_GRID_POINTS = 40_001
_BETA_TAIL = 40.0


@dataclass(frozen=True, slots=True)
class World:
    """What is true in a simulated experiment; rates and gains are fractions.

    Attributes:
        gain: of the best cell.
        shape: "equal" when all cells have that gain; "ramp" when it rises evenly from none in the first cell to
            ``gain`` in the last (ties go to earlier cells: the harder way round); "one" when only the last has it.
        correlation: of base and adapter latent ability; 0.71 gives true pass@5 a correlation near 0.6.
        cell_correlation: share of the adapter's own latent variance that all cells have in common.
        cluster_correlation: share of a latent's variance that the tasks of a cluster have in common.
    """

    base_rate: float
    gain: float
    shape: Shape = "equal"
    concentration: float = 1.0
    correlation: float = 0.71
    cell_correlation: float = 0.8
    cluster_correlation: float = 0.1

    @property
    def gains(self) -> tuple[float, ...]:
        """Return the true gain of each of ``CELLS``."""
        return cell_gains(self.gain, self.shape, len(CELLS))


def cell_gains(gain: float, shape: Shape, cells: int) -> tuple[float, ...]:
    """Return the true gains of ``cells`` cells of which the best has ``gain``."""
    if shape == "equal" or cells == 1:
        return (gain,) * cells
    if shape == "one":
        return (*(0.0,) * (cells - 1), gain)
    return tuple(gain * place / (cells - 1) for place in range(cells))


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
