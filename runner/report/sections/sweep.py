"""The sweep in a report: every cell on dev, how they were raced, and the chosen one's gain on dev beside test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.report.data import Fact, Interval, Sweep, SweepCell
from runner.report.sections.verdict import estimate_interval, metric_interval
from runner.views.artifacts import Artifacts, real


def read_sweep(found: Artifacts) -> Sweep | None:
    """Return every cell of Gate D; None before it has concluded."""
    rows, chosen = found.table("d", "cells"), found.table("d", "chosen")
    if rows is None or chosen is None:
        return None
    k = int(found.table("d", "k"))
    cells = tuple(_cell(row, _chosen_name(found, chosen), k) for row in rows)
    steps, scales = sorted({cell.step for cell in cells}), sorted({cell.scale for cell in cells})
    rounds, cost = _race(found.table("d", "search"))
    return Sweep(k, tuple(steps), tuple(scales), cells, str(chosen["why"]), rounds, cost, _test_gain(found))


def _chosen_name(found: Artifacts, chosen: Mapping[str, Any]) -> str:
    """Return the cell that was decided on; without a test split the decision chooses once more, paying for it."""
    decision = found.table("e", "decision")
    return str(chosen["cell"] if decision is None else decision["cell"])


def _cell(row: Mapping[str, Any], chosen: str, k: int) -> SweepCell:
    metrics = row["result"]["metrics"]
    return SweepCell(
        name=str(row["cell"]),
        step=int(row["step"]),
        scale=float(row["scale"]),
        rate=next((real(metric["value"]) for metric in metrics if metric["k"] == k), None),
        gain=metric_interval(row["gain"], str(row["cell"])),
        lower=real(row["lower"]),
        chosen=row["cell"] == chosen,
        tasks=_count(row.get("tasks", row["gain"]["n"])),
        dropped_after=_count(row.get("dropped_after")),
    )


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _race(search: Mapping[str, Any] | None) -> tuple[tuple[Fact, ...], str]:
    """Return the rounds of a raced sweep and what it cost against the full grid; nothing of an older report."""
    if search is None:
        return (), ""
    held: list[Mapping[str, Any]] = list(search.get("rounds") or ())
    rounds = tuple(_round(item, is_last=item is held[-1]) for item in held) if len(held) > 1 else ()
    samples, grid = search.get("samples"), search.get("grid_samples")
    if samples is None or grid is None:
        return rounds, ""
    share = f", {100 * samples / grid:.0f}% of the full grid's {grid:,}" if grid and samples != grid else ""
    return rounds, f"{search['method']}: {samples:,} samples drawn{share}."


def _round(item: Mapping[str, Any], is_last: bool) -> Fact:
    cells, kept = _many(item["cells"]), _many(item["kept"])
    return Fact(
        f"Round {item['round']}",
        f"{cells} cells on {_many(item['tasks'])} tasks",
        "one of them was chosen" if is_last else f"{kept} went on",
    )


def _many(value: Any) -> int:
    return len(value) if isinstance(value, (list, tuple)) else int(value)


def _test_gain(found: Artifacts) -> Interval | None:
    decision = found.table("e", "decision")
    if decision is None or decision["method"] != "test split":
        return None
    return estimate_interval("test", decision["gain"])
