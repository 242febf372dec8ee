"""The sweep in a report: every cell on dev, how they were raced, and the chosen one's gain on dev beside test."""

from __future__ import annotations

from env.counts import counted
from eval.decision.verdict import Decision
from gates.report.results import CellFacts, DecisionResults, SearchFacts, SearchRound, SweepResults
from runner.report.data import Fact, Interval, Sweep, SweepCell
from runner.report.sections.verdict import estimate_interval, metric_interval
from runner.views.artifacts import Artifacts


def read_sweep(found: Artifacts) -> Sweep | None:
    """Return every cell of Gate D; None before it has concluded."""
    results = found.results(SweepResults)
    if results is None:
        return None
    decided = found.results(DecisionResults)
    # without a test split the decision chooses once more, paying for it
    chosen = results.chosen.cell if decided is None else decided.decision.cell
    cells = tuple(_cell(row, chosen, results.k) for row in results.cells)
    places = sorted({(row.round, row.step) for row in results.cells})
    scales = sorted({cell.scale for cell in cells})
    rounds, cost = _race(results.search)
    test_gain = _test_gain(decided.decision) if decided is not None else None
    names = tuple(_checkpoint(*place) for place in places)
    return Sweep(results.k, names, tuple(scales), cells, results.chosen.why, rounds, cost, test_gain)


def _cell(row: CellFacts, chosen: str, k: int) -> SweepCell:
    return SweepCell(
        name=row.cell,
        step=row.step,
        scale=row.scale,
        rate=next((metric.value for metric in row.result.metrics if metric.k == k), None),
        gain=metric_interval(row.gain, row.cell),
        lower=row.lower,
        chosen=row.cell == chosen,
        tasks=row.tasks,
        dropped_after=row.dropped_after,
        checkpoint=_checkpoint(row.round, row.step),
    )


def _checkpoint(round: int, step: int) -> str:
    return f"round {round}, step {step}" if round else f"step {step}"


def _race(search: SearchFacts) -> tuple[tuple[Fact, ...], str]:
    """Return the rounds of a raced sweep, () of a grid, and what it cost against the full grid."""
    rounds = tuple(_round(held, is_last=held is search.rounds[-1]) for held in search.rounds)
    samples, grid = search.samples, search.grid_samples
    share = f", {100 * samples / grid:.0f}% of the full grid's {grid:,}" if grid and samples != grid else ""
    return rounds if len(rounds) > 1 else (), f"{search.method}: {counted(samples, 'sample')} drawn{share}."


def _round(held: SearchRound, is_last: bool) -> Fact:
    return Fact(
        f"Round {held.round}",
        f"{counted(len(held.cells), 'cell')} on {counted(held.tasks, 'task')}",
        "one selected" if is_last else f"{len(held.kept)} kept",
    )


def _test_gain(decision: Decision) -> Interval | None:
    return estimate_interval("test", decision.gain) if decision.method == "test split" else None
