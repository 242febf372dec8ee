"""The tables of a report as rows, which the page saves as CSV or JSON; numbers as they were measured, not as shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runner.report.data import GainGroup, Interval, PassRow, ReportData

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; ``name`` is what the page and the saved file call it."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_tables(data: ReportData) -> dict[str, dict[str, Any]]:
    """Return every table with rows by name, as plain data."""
    return {table.name: {"columns": table.columns, "rows": table.rows} for table in _tables(data) if table.rows}


def _tables(data: ReportData) -> Iterator[Table]:
    yield Table(
        "gain_by_group",
        ("by", "group", "tasks", "clusters", "gain_pp", "low_pp", "high_pp", "base_pct", "adapter_pct", "mark"),
        tuple(_gain(group) for group in data.groups),
    )
    yield Table(
        "pass_at_k",
        ("group", "metric", "tasks", "base_pct", "base_low", "base_high", "adapter_pct", "adapter_low", "adapter_high",
         "clusters", "gain_pp", "gain_low", "gain_high"),
        tuple(_rates(row) for row in data.passes),
    )  # fmt: skip
    yield Table(
        "marks",
        ("mark", "weight", "tasks", "clusters", "samples_a_task", "base", "base_low", "base_high", "adapter",
         "adapter_low", "adapter_high", "gain", "gain_low", "gain_high"),
        tuple(
            (row.mark, row.weight, row.base.n, row.base.clusters, row.samples, *_bounds(row.base),
             *_bounds(row.adapter), *_bounds(row.gain))
            for row in data.marks
        ),
    )  # fmt: skip
    if data.judged is not None:
        one = data.judged
        yield Table(
            "judged",
            ("judge", "tasks", "clusters", "base", "base_low", "base_high", "adapter", "adapter_low", "adapter_high",
             "difference", "difference_low", "difference_high"),
            ((one.model, one.gain.n, one.gain.clusters, *_bounds(one.base), *_bounds(one.adapter),
              *_bounds(one.gain)),),
        )  # fmt: skip
    yield Table(
        "outcomes",
        ("arm", "outcome", "samples"),
        tuple((arm.label, name, number) for arm in data.outcomes for name, number in arm.counts.items()),
    )
    yield Table(
        "rounds",
        ("round", "group", "tasks", "solved", "all_pass", "answers", "passed", "distinct_programs_a_task"),
        tuple(
            (row.round, row.group, row.tasks, row.solved, row.all_pass, row.samples, row.passed, row.distinct)
            for row in (data.rounds.drawn if data.rounds is not None else ())
        ),
    )
    yield from _search_and_training(data)
    yield Table(
        "tasks",
        ("task", "family", "kind", "cluster", "difficulty", "training", "base_passed", "base_samples", "adapter_passed",
         "adapter_samples", "base_pass_at_k_pct", "adapter_pass_at_k_pct", "gain_pp"),
        tuple(
            (task.task_id, task.family, task.kind, task.cluster, task.difficulty, task.status, task.base_c, task.base_n,
             task.cell_c, task.cell_n, task.base_rate, task.cell_rate, task.gain)
            for task in data.tasks
        ),
    )  # fmt: skip
    yield from _records(data)


def _gain(group: GainGroup) -> Row:
    gain = group.gain
    numbers = (gain.n, gain.clusters, gain.value, gain.low, gain.high)
    return (group.by, gain.label, *numbers, group.base, group.adapter, gain.mark)


def _rates(row: PassRow) -> Row:
    clusters = row.gain.clusters if row.gain is not None else None
    return (
        *(row.group, row.metric, row.tasks, *_bounds(row.base), *_bounds(row.adapter)),
        *(clusters, *_bounds(row.gain)),
    )


def _bounds(interval: Interval | None) -> Row:
    return (None, None, None) if interval is None else (interval.value, interval.low, interval.high)


def _search_and_training(data: ReportData) -> Iterator[Table]:
    if data.sweep is not None:
        yield Table(
            "sweep",
            ("cell", "step", "scale", "pass_at_k_pct", "gain_pp", "low_pp", "high_pp", "lower_pp", "tasks",
             "left_after_round", "chosen"),
            tuple(
                (cell.name, cell.step, cell.scale, cell.rate, *_bounds(cell.gain), cell.lower, cell.tasks,
                 cell.dropped_after, cell.chosen)
                for cell in data.sweep.cells
            ),
        )  # fmt: skip
    if data.training is not None:
        points = [(series.name, step, value) for series in data.training.series for step, value in series.points]
        yield Table("training", ("quantity", "step", "value"), tuple(points))


def _records(data: ReportData) -> Iterator[Table]:
    for gate in data.gates:
        yield Table(
            f"checks_{gate.gate.lower()}",
            ("check", "state", "found", "expected", "reason", "fix", "waived"),
            tuple((c.name, c.state, c.value, c.expected, c.reason, c.fix, c.waived) for c in gate.checks),
        )
    told = data.provenance
    yield Table(
        "timeline", ("number", "at", "event", "text"), tuple((e.seq, e.at, e.what, e.text) for e in told.timeline)
    )
    yield Table(
        "configuration",
        ("key", "value", "set_by_override", "default"),
        tuple((row.key, row.value, row.changed, row.default) for row in told.config),
    )
    for name in ("hardware", "versions", "digests", "artifacts"):
        facts = getattr(told, name)
        yield Table(name, ("name", "value", "remark"), tuple((fact.label, fact.value, fact.note) for fact in facts))
