"""The screen of an ended gate: its headline, what was found wrong, and for D and E the deciding numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gates import stores
from runner.screens.checks import check_lines
from runner.screens.ink import Line, Span, line
from runner.screens.rulings import ruling_style
from runner.screens.status import STATES
from runner.views.run_view import state_without_pass
from runner.views.wording import duration_text, gate_name

if TYPE_CHECKING:
    from eval.decision.verdict import Decision
    from eval.records import Metric
    from gates.report import GateReport
    from gates.report.results import BaselineResults, CellFacts, DecisionResults, SweepResults

_CELL_COLUMNS = 14
# With more scales a row of rates and gains exceeds 80 columns: only gains are shown.
_WIDE_SCALES = 5


def outcome_lines(report: GateReport, command: str) -> list[Line]:
    """Return the lines for an ended gate; ``command`` is the next one after a no."""
    # a report was read with them; a screen without one is up sooner without them
    from gates.report.results import BaselineResults, DecisionResults, SweepResults

    passed = report.status == "passed"
    mark, word, style = STATES["passed" if passed else state_without_pass(report.headline)]
    name = gate_name(report.gate, report.title)
    lines = [
        line(
            (mark, style),
            f" {name:<14} ",
            (word, style),
            f"  {duration_text(report.seconds)}  ",
            report.headline,
            hang=4,
        )
    ]
    results = report.results
    if isinstance(results, DecisionResults):
        lines = [lines[0], *decision_lines(results)]
    else:
        lines.extend(line("    ", reason, hang=6) for reason in report.reasons if not passed)
    where = f"gate_{report.gate}/report.json"
    for check in report.checks:
        if not check.ok:
            lines.extend(check_lines(check, where))
    if isinstance(results, BaselineResults):
        lines.extend(baseline_lines(results))
    if isinstance(results, SweepResults):
        lines.extend(heat_lines(results))
    if not passed:
        lines.append(line("    ", ("next: ", "dim"), (command, "command"), _after_no(report.gate)))
    return lines


def _after_no(gate: str) -> Span:
    return (
        "   why, task by task" if stores(gate, "decision") else "   runs this gate again once you have fixed the cause",
        "dim",
    )


def baseline_lines(results: BaselineResults) -> list[Line]:
    """Return pass@k of the base on each split, over all and by family."""
    # a split with more samples a task has one metric more
    names = list(dict.fromkeys(metric.name for result in results.splits.values() for metric in result.metrics))
    lines = [line((f"    {'base':<17}" + "".join(f"{name:>16}" for name in names), "dim"))]
    for split, result in results.splits.items():
        rows = [(str(split), result.metrics), *((f"  {name}", own) for name, own in result.by_family.items())]
        for label, metrics in rows:
            rates = {metric.name: _rate(metric) for metric in metrics}
            cells = "".join(f"{rates.get(name, ''):>16}" for name in names)
            lines.append(line(f"    {label:<12}", (f"{metrics[0].n if metrics else '':>5}", "dim"), cells.rstrip()))
    return lines


def _rate(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.1f}"
    return f"{metric.value:.1f} ± {(metric.high - metric.low) / 2:4.1f}"


def heat_lines(results: SweepResults) -> list[Line]:
    """Return checkpoints x scales: pass@k and gain of every cell, the chosen one marked."""
    cells, k = results.cells, results.k
    scales = sorted({cell.scale for cell in cells})
    by_place = {(cell.round, cell.step, cell.scale): cell for cell in cells}
    wide = len(scales) <= _WIDE_SCALES
    columns = _CELL_COLUMNS if wide else 8
    what = f"pass@{k} and gain on dev" if wide else f"gain of pass@{k} on dev"
    raced = "~ left the race · " if any(cell.dropped_after for cell in cells) else ""
    lines = [
        line((f"    {what}, pp · * lower bound above 0 · {raced}", "dim"), ("◆ chosen", "bold"), hang=4),
        line((f"    {'step':>6}" + "".join(f"{f'x{scale:.2f}':>{columns}}" for scale in scales), "dim")),
    ]
    for round_, step in sorted({(cell.round, cell.step) for cell in cells}):
        spans = [_heat_span(by_place.get((round_, step, scale)), k, results.chosen.cell, wide) for scale in scales]
        lines.append(line(f"    {f'{round_}/{step}' if round_ else step:>6}", *spans))
    return lines


def _heat_span(cell: CellFacts | None, k: int, chosen: str, wide: bool) -> Span:
    columns = _CELL_COLUMNS if wide else 8
    if cell is None:
        return ("-".rjust(columns), "dim")
    gain = cell.gain.value
    rate = next((metric.value for metric in cell.result.metrics if metric.k == k), None)
    # on the few tasks of a cell that left the race a bound is not informative
    left = bool(cell.dropped_after)
    above_zero = not left and cell.lower is not None and cell.lower > 0
    if gain is None or rate is None:
        return ("undefined".rjust(columns), "dim")
    is_chosen = cell.cell == chosen
    numbers = f"{rate:.1f} {gain:+6.1f}" if wide else f"{gain:+.1f}"
    text = f"{'◆' if is_chosen else ''}{numbers}{'~' if left else '*' if above_zero else ' '}"
    style = "bold" if is_chosen else "good" if above_zero else "dim" if left or gain <= 0 else ""
    return (text.rjust(columns), style)


def decision_lines(results: DecisionResults) -> list[Line]:
    """Return the interval on a ruler, the reasons, and what to do next; the headline has the ruling."""
    lines = [_ruler(results.decision)]
    lines.extend(line("    ", reason, hang=6) for reason in results.decision.reasons)
    openings = len(results.openings)
    if openings > 1:
        lines.append(line("    ", (f"the test tasks were opened {openings} times in this run", "no")))
    without = results.decision_without_contaminated
    if without is not None:
        left_out, gain = len(without.excluded), _points(without.gain.value)
        text = f"without the {left_out} contaminated tasks: {without.verdict}, gain {gain}"
        lines.append(line("    ", text, hang=6))
    if results.no_decision_without_contaminated:
        lines.append(line("    ", results.no_decision_without_contaminated, hang=6))
    for number, item in enumerate(results.recommendations, start=1):
        lines.append(line(f"    {number}. ", f"{item.action} ({item.why})", hang=7))
    return lines


def _points(fraction: float | None) -> str:
    return "undefined" if fraction is None else f"{100 * fraction:+.1f} pp"


def _ruler(decision: Decision, columns: int = 61) -> Line:
    """Return the interval drawn between its own ends, zero and the margin: '0' zero, 'M' margin, '●' the gain."""
    gain = decision.gain
    if gain.value is None or gain.low is None or gain.high is None:
        return line()
    marks = {"low": gain.low, "high": gain.high, "zero": 0.0, "margin": decision.margin, "point": gain.value}
    first, last = min(marks.values()), max(marks.values())
    span = (last - first) or 1.0
    at = {name: round((value - first) / span * (columns - 1)) for name, value in marks.items()}
    signs = ["━" if at["low"] <= place <= at["high"] else "─" for place in range(columns)]
    signs[at["zero"]], signs[at["margin"]], signs[at["point"]] = "0", "M", "●"
    return line("    ", ("".join(signs), ruling_style(str(decision.verdict))), ("  M margin", "dim"))
