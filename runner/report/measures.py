"""The measured part of a report: pass@k, outcomes, the sweep, the loss curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from runner.report.data import ArmOutcomes, Fact, Interval, PassRow, Sweep, SweepCell, Training
from runner.report.reading import Artifacts, read_json_lines, real

# A curve of more points than a screen has columns shows the same; means of neighbours keep the page small.
_MAX_POINTS = 600

Result = Mapping[str, Any]


def arm_results(found: Artifacts) -> list[tuple[str, Result]]:
    """Return the base's result on test and, where it was measured, the chosen cell's."""
    results = found.table("e", "results")
    if results is not None:
        return [("base", results["base"]), (str(results["cell"]["arm"]), results["cell"])]
    baseline = found.table("b", "results")
    if baseline is None:
        return []
    return [("base", baseline["test"] if "test" in baseline else next(iter(baseline.values())))]


def read_outcomes(found: Artifacts) -> tuple[ArmOutcomes, ...]:
    """Return how the samples of each arm on test ended."""
    return tuple(
        ArmOutcomes(
            label,
            {str(name): int(number) for name, number in result["outcomes"].items()},
            int(result["samples"]),
            int(result["truncated"]),
        )
        for label, result in arm_results(found)
    )


def read_passes(found: Artifacts) -> tuple[PassRow, ...]:
    """Return pass@k of both arms over all test tasks and by family."""
    arms = arm_results(found)
    if not arms:
        return ()
    base, cell = arms[0][1], arms[1][1] if len(arms) > 1 else None
    rows = _pass_rows("all", base["metrics"], cell["metrics"] if cell else None)
    for family, metrics in base["by_family"].items():
        rows += _pass_rows(str(family), metrics, cell["by_family"].get(family) if cell else None)
    return tuple(rows)


def _pass_rows(group: str, base: Sequence[Result], cell: Sequence[Result] | None) -> list[PassRow]:
    other = {metric["name"]: metric for metric in cell or ()}
    return [
        PassRow(group, str(metric["name"]), int(metric["n"]), _interval(metric), _interval(other.get(metric["name"])))
        for metric in base
    ]


def _interval(metric: Result | None) -> Interval | None:
    if metric is None:
        return None
    value, low, high = (real(metric[key]) for key in ("value", "low", "high"))
    return Interval(str(metric["name"]), value, low, high, str(metric["unit"]), int(metric["n"]))


def read_sweep(found: Artifacts) -> Sweep | None:
    """Return every cell of Gate D; None before it has concluded."""
    rows, chosen = found.table("d", "cells"), found.table("d", "chosen")
    if rows is None or chosen is None:
        return None
    k = int(found.table("d", "k"))
    cells = tuple(
        SweepCell(
            name=str(row["cell"]),
            step=int(row["step"]),
            scale=float(row["scale"]),
            rate=next((real(metric["value"]) for metric in row["result"]["metrics"] if metric["k"] == k), None),
            gain=real(row["gain"]["value"]),
            lower=real(row["lower"]),
            chosen=row["cell"] == chosen["cell"],
        )
        for row in rows
    )
    steps, scales = sorted({cell.step for cell in cells}), sorted({cell.scale for cell in cells})
    return Sweep(k, tuple(steps), tuple(scales), cells, str(chosen["why"]))


def read_training(found: Artifacts) -> Training | None:
    """Return the loss curve from metrics.jsonl (a repeated step counts as last trained); None before the first step."""
    rows = read_json_lines(found, found.run.gate_folder("c") / "metrics.jsonl")
    by_step = {int(row["step"]): row for row in rows}
    if not by_step:
        return None
    steps = sorted(by_step)
    restarts = [b for a, b in pairwise(steps) if by_step[a]["session"] != by_step[b]["session"]]
    points = [(step, float(by_step[step]["loss"])) for step in steps]
    checkpoints = tuple(int(row["step"]) for row in found.table("c", "checkpoints") or ())
    return Training(
        thinned(points, _MAX_POINTS), tuple(restarts), checkpoints, _training_facts(found, by_step[steps[-1]])
    )


def thinned(points: Sequence[tuple[int, float]], at_most: int) -> tuple[tuple[int, float], ...]:
    """Return the points, or means of equally many neighbours when there are more than ``at_most``."""
    size = -(-len(points) // at_most)
    if size <= 1:
        return tuple(points)
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return tuple((group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups)


def _training_facts(found: Artifacts, last: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = [Fact("Last step", f"{last['step']}", f"loss {last['loss']:.3f}")]
    table = found.table("c", "training")
    if table is None:
        return tuple(facts)
    dropped = f"{table['dropped']} dropped as too long" if table["dropped"] else "none dropped"
    facts += [
        Fact(
            "Loss",
            f"{table['loss_at_start']:.3f} → {table['loss_at_end']:.3f}",
            "means of the first and last ten steps",
        ),
        Fact("Rows", f"{table['examples']:,}", dropped),
        Fact("Trained parameters", f"{table['trainable_parameters']:,}", f"in {table['targets']} modules"),
        Fact(
            "Sessions",
            f"{len(table['sessions'])}",
            "resumed after an interruption" if len(table["sessions"]) > 1 else "without interruption",
        ),
    ]
    if table["quarantined"]:
        facts.append(Fact("Quarantined", ", ".join(map(str, table["quarantined"])), "checkpoints that were not whole"))
    return tuple(facts)
