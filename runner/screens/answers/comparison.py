"""Runs side by side on a screen: verdicts and intervals, the paired difference of their adapters, what differs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from env.counts import counted
from runner.screens.ink import Line, Span, columns, line, pad, write_lines
from runner.screens.rulings import ruling_style
from runner.views.wording import metric_text

if TYPE_CHECKING:
    from runner.views.comparison import Comparison, Difference, Side
    from runner.views.paired_adapters import Pairing

# The start of a digest is enough here; the page and --json have all of it.
_MAX_VALUE = 28


def print_comparison(comparison: Comparison, stream: TextIO | None = None) -> None:
    """Write the comparison to ``stream`` (standard output)."""
    write_lines(stream or sys.stdout, comparison_lines(comparison))


def comparison_lines(comparison: Comparison) -> list[Line]:
    """Return the runs, the measured table, the paired differences, and what differs."""
    paired = [item for pairing in comparison.pairings for item in _pairing_lines(pairing)]
    return [
        *(item for side in comparison.sides for item in _side_lines(side)),
        line(),
        *_table(_measured(comparison.sides)),
        line(),
        *_family_lines(comparison.sides),
        line(("adapter against adapter, on the same test tasks", "bold")),
        *paired,
        line(),
        line(("what differs", "bold")),
        *_difference_lines(comparison.differences, len(comparison.sides)),
    ]


def _side_lines(side: Side) -> Iterator[Line]:
    ruling = side.verdict or side.stands
    style = ruling_style(side.verdict)
    yield line(
        (f"{side.number}  ", "bold"), (side.id, "bold"), "  ", (ruling, style), (f"  {side.profile}", "dim"), hang=3
    )
    if not side.verdict and side.headline:
        yield line("   ", side.headline, hang=3)
    if side.without_contaminated:
        yield line("   ", (side.without_contaminated, "no"), hang=3)
    for waived in side.waived:
        yield line("   ", (f"waived: {waived}", "odd"), hang=3)
    for problem in side.problems:
        yield line("   ", (f"damaged: {problem}", "no"), hang=3)


def _measured(sides: Sequence[Side]) -> list[list[str]]:
    k = next((metric.k for side in sides if (metric := side.base) is not None), None)
    name = f"pass@{k}" if k else "pass@k"
    rows = [["run", f"base {name}", "adapter", "gain, pp", "cell", "decided on"]]
    for side in sides:
        metrics = [metric_text(side.base), metric_text(side.adapter), metric_text(side.gain, signed=True)]
        rows.append([str(side.number), *metrics, side.cell or "-", side.size or "-"])
    return rows


def _family_lines(sides: Sequence[Side]) -> Iterator[Line]:
    """Yield each family's rates and paired gain, run by run; nothing where no run has come so far."""
    groups = [(side.number, group) for side in sides for group in side.groups if group.by == "family"]
    if not groups:
        return
    rows = [["family", "run", f"base pass@{groups[0][1].gain.k}", "adapter", "gain, pp", "tasks", "clusters"]]
    for number, group in sorted(groups, key=lambda item: (item[1].name, item[0])):
        rates = [metric_text(group.base), metric_text(group.adapter), metric_text(group.gain, signed=True)]
        sizes = [f"{group.tasks}", f"{group.clusters}"]
        rows.append([group.name, str(number), *rates, *sizes])
    yield line(("by family, each adapter against its own base", "bold"))
    yield from _table(rows)
    yield line()


def _table(rows: Sequence[Sequence[str]]) -> list[Line]:
    """Return rows in columns as wide as their widest cell; the first row is the head."""
    widths = [max(columns(row[place]) for row in rows) for place in range(len(rows[0]))]
    laid = ["  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [line((laid[0], "dim"), hang=5), *(line(text, hang=5) for text in laid[1:])]


def _pairing_lines(pairing: Pairing) -> Iterator[Line]:
    name = f"{pairing.left} - {pairing.right}"
    if pairing.refused or pairing.difference is None:
        yield line(f"  {name}  ", ("not paired: ", "no"), pairing.refused, hang=9)
        return
    gain = pairing.difference
    size = f" pp of pass@{gain.k} on {counted(gain.n, 'task')} in {counted(pairing.clusters, 'cluster')}"
    yield line(f"  {name}  ", (metric_text(gain, signed=True), "bold"), size, hang=9)
    for group in pairing.groups:
        if group.by == "family" or (group.flag and group.tasks < gain.n):
            flag: Span = (f"  {group.flag}", "no" if group.flag == "worse" else "good") if group.flag else ("", "")
            label = pad(f"{group.by} {group.name}", 18)
            yield line(
                f"         {label}",
                metric_text(group.gain, signed=True),
                (f"  {counted(group.tasks, 'task')}", "dim"),
                flag,
                hang=9,
            )
    for note in pairing.notes:
        yield line("         ", (note, "no"), hang=9)


def _difference_lines(differences: Sequence[Difference], runs: int) -> list[Line]:
    if not differences:
        return [line("  nothing: configuration, data, model and code are the same")]
    head = ["", "", *(str(number) for number in range(1, runs + 1))]
    rows = [[item.part, item.key, *map(_short, item.values)] for item in differences]
    widths = [max(columns(row[place]) for row in (head, *rows)) for place in range(len(head))]
    laid = [
        "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    return [line((f"  {laid[0]}", "dim")), *(line(f"  {text}", hang=widths[0] + 6) for text in laid[1:])]


def _short(value: str) -> str:
    return value if columns(value) <= _MAX_VALUE else f"{value[: _MAX_VALUE - 2]} …"
