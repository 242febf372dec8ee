"""One simulated experiment decided three ways on the same draws, and the frequency of each verdict over many of them.

Race, selection and decision are the real code on real TaskScore records, with every bootstrap resample; only tasks and
samples are simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from env.silence import reach
from eval.decision.cells import Cell
from eval.decision.guards import Canary, Evidence
from eval.decision.racing import Course, Place, Schedule, grid_course, race_course, run_race
from eval.decision.rule import DecisionRule
from eval.decision.ruling import Ruling
from eval.decision.selection import estimate_mean, select_cell
from eval.decision.verdict import Decision, decide
from eval.records import TaskScore
from eval.simulate.worlds import CELLS, World, draw_passes, scores_of

Scores = Sequence[TaskScore]
SEARCHES = ("race", "grid")
_CHUNK = 25


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is tried: the frozen rule and the race's schedule."""

    rule: DecisionRule
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Judged:
    """Our rule on one experiment: its decision, the true gain of the cell it chose, and the samples it took."""

    decision: Decision
    true_gain: float
    samples: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One simulated experiment: our rule by "race" and by "grid", and what best-of-nine claims and chooses."""

    ours: Mapping[str, Judged]
    naive_gain: float
    naive_true_gain: float
    naive_samples: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One rule's frequencies over the trials of one world, as fractions.

    Attributes:
        bias: mean of claimed minus true gain of the chosen cell; ``quality`` is the mean true gain of that cell.
        coverage: of the two-sided interval; ``lower_coverage`` of the one-sided lower bound; None without an interval.
        se: mean reported standard error of the test gain; ``spread`` is the standard deviation of its error.
        samples: generations per experiment, on average.
    """

    rule: str
    gain: float
    trials: int
    proceed: float
    adjust: float | None
    inconclusive: float | None
    bias: float
    quality: float
    samples: float
    coverage: float | None = None
    lower_coverage: float | None = None
    se: float | None = None
    spread: float | None = None


def run_trial(world: World, protocol: Protocol, rng: np.random.Generator) -> Trial:
    """Draw one experiment; choose on dev by race and by grid, decide both on test, apply the usual rule to dev."""
    rule = protocol.rule
    drawn = draw_passes(rng, world, world.gains, rule.dev_tasks, rule.dev_clusters, rule.dev_samples, rule.k)
    base_dev, *arms_dev = (scores_of(row, rule.dev_clusters, rule.dev_samples) for row in drawn)
    drawn = draw_passes(rng, world, world.gains, rule.test_tasks, rule.test_clusters, rule.test_samples, rule.k)
    base_test, *arms_test = (scores_of(row, rule.test_clusters, rule.test_samples) for row in drawn)
    cells_dev, cells_test = dict(zip(CELLS, arms_dev, strict=True)), dict(zip(CELLS, arms_test, strict=True))
    places = [Place(score.task_id, score.family, score.cluster) for score in base_dev]
    courses = {
        "race": race_course(places, len(CELLS), protocol.schedule, int(rng.integers(2**31))),
        "grid": grid_course(places, len(CELLS)),
    }
    chosen = {search: _choose(base_dev, cells_dev, course, rule) for search, course in courses.items()}
    decisions = {
        cell: decide(base_test, cells_test[cell], rule, Evidence(cell.name, Canary(1.0, 0.0, 8)))
        for cell in set(chosen.values())
    }
    truth = dict(zip(CELLS, world.gains, strict=True))
    fixed = rule.dev_tasks * rule.dev_samples + 2 * rule.test_tasks * rule.test_samples
    ours = {
        search: Judged(decisions[cell], truth[cell], fixed + courses[search].samples(rule.dev_samples))
        for search, cell in chosen.items()
    }
    rates = {cell: estimate_mean(scores, rule.k) or 0.0 for cell, scores in cells_dev.items()}
    best = max(rates, key=lambda cell: rates[cell])
    return Trial(
        ours,
        naive_gain=rates[best] - (estimate_mean(base_dev, rule.k) or 0.0),
        naive_true_gain=truth[best],
        naive_samples=(1 + len(CELLS)) * rule.dev_tasks * rule.dev_samples,
    )


def _choose(base: Scores, cells: Mapping[Cell, Scores], course: Course, rule: DecisionRule) -> Cell:
    """Choose on dev as Gate D does: race over ``course``, then by the rule among the cells measured on every task."""

    def measure(cell: Cell, number: int) -> Scores:
        met = course.so_far(number)
        return [score for score in cells[cell] if score.task_id in met]

    race = run_race(list(cells), base, course, measure, rule.k)
    finalists = {cell: scores for cell, scores in race.scores.items() if cell not in race.left}
    return select_cell(base, finalists, rule).chosen


def simulate(world: World, protocol: Protocol, trials: int, seed: int, processes: int = 1) -> list[Outcomes]:
    """Return each rule's frequencies over ``trials`` experiments; trial i depends on (seed, i) alone."""
    chunks = [range(start, min(start + _CHUNK, trials)) for start in range(0, trials, _CHUNK)]
    work = partial(_run_chunk, world, protocol, seed)
    if processes == 1:
        runs = _collected(map(work, chunks), trials)
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            runs = _collected(pool.map(work, chunks), trials)
    return [*(_ours(world, runs, search) for search in SEARCHES), _naive(world, runs, protocol.rule)]


def _collected(chunks: Iterable[list[Trial]], trials: int) -> list[Trial]:
    runs: list[Trial] = []
    for chunk in chunks:
        runs += chunk
        reach(len(runs), trials, "experiments of this line")
    return runs


def _run_chunk(world: World, protocol: Protocol, seed: int, numbers: range) -> list[Trial]:
    return [run_trial(world, protocol, np.random.default_rng([seed, number])) for number in numbers]


def _ours(world: World, runs: Sequence[Trial], search: str) -> Outcomes:
    judged = [run.ours[search] for run in runs]
    truth = np.array([item.true_gain for item in judged])
    value, low, high, lower, se = (
        np.array([getattr(item.decision.gain, name) for item in judged], dtype=np.float64)
        for name in ("value", "low", "high", "lower", "se")
    )
    share = {ruling: sum(item.decision.verdict is ruling for item in judged) / len(runs) for ruling in Ruling}
    return Outcomes(
        rule=search,
        gain=world.gain,
        trials=len(runs),
        proceed=share[Ruling.PROCEED],
        adjust=share[Ruling.ADJUST],
        inconclusive=share[Ruling.INCONCLUSIVE],
        bias=float(np.mean(value - truth)),
        quality=float(truth.mean()),
        samples=float(np.mean([item.samples for item in judged])),
        coverage=float(np.mean((low <= truth) & (truth <= high))),
        lower_coverage=float(np.mean(lower <= truth)),
        se=float(se.mean()),
        spread=float(np.std(value - truth)),
    )


def _naive(world: World, runs: Sequence[Trial], rule: DecisionRule) -> Outcomes:
    claimed, truth = (np.array([getattr(run, name) for run in runs]) for name in ("naive_gain", "naive_true_gain"))
    return Outcomes(
        rule="best of nine",
        gain=world.gain,
        trials=len(runs),
        proceed=float(np.mean(claimed >= rule.margin)),
        adjust=None,
        inconclusive=None,
        bias=float(np.mean(claimed - truth)),
        quality=float(truth.mean()),
        samples=float(np.mean([run.naive_samples for run in runs])),
    )
