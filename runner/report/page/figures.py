"""The figures of a decision: the ruler, the forest plot, outcome bars; data in, SVG out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from env.counts import counted
from runner.report.data import ArmOutcomes, GainGroup, Interval, Sweep, Verdict
from runner.report.page import svg
from runner.report.page.axes import Axis, axis_over

# Outcomes in the order of how far a program came, each with a colour class of its own.
OUTCOME_ORDER = (
    "PASSED", "WRONG", "RUNTIME_ERROR", "TIMEOUT", "MEMORY", "CRASHED",
    "NEEDS_STUDIO", "SYNTAX_ERROR", "PATCH_REJECTED", "NO_CODE", "HARNESS_ERROR",
)  # fmt: skip
_ROW = 26.0


def ruler(verdict: Verdict) -> Markup:
    """Return the gain's interval on a ruler with zero and the margin; the ground says where which verdict lies."""
    gain = verdict.gain
    if gain.value is None or gain.low is None or gain.high is None:
        return Markup("")
    axis = axis_over([0.0, verdict.margin, gain.low, gain.high], pad=0.1)
    tone = tone_of(verdict)
    y, bottom, zero, margin = 50.0, 84.0, axis.at(0.0), axis.at(verdict.margin)
    parts = [
        svg.bar(0, 24, zero, bottom - 24, "ground below"),
        svg.bar(margin, 24, 100 - margin, bottom - 24, "ground above"),
        *(svg.line(axis.at(tick), bottom, axis.at(tick), bottom + 5, "tick") for tick in axis.ticks),
        svg.line(0, bottom, 100, bottom, "axis"),
        svg.line(zero, 24, zero, bottom, "zero"),
        svg.line(margin, 24, margin, bottom, "margin"),
        svg.line(axis.at(gain.low), y, axis.at(gain.high), y, f"range {tone}"),
        *_bound(verdict.lower, axis, y, tone),
        svg.dot(axis.at(gain.value), y, 8, f"point {tone}"),
        svg.text(axis.at(gain.value), 16, f"{gain.value:+.1f} pp", "strong"),
        *(svg.text(axis.at(tick), bottom + 21, f"{tick:+g}" if tick else "0", "muted") for tick in axis.ticks),
        svg.text(axis.at(gain.low), y + 26, f"{gain.low:+.1f}", "muted", "middle"),
        svg.text(axis.at(gain.high), y + 26, f"{gain.high:+.1f}", "muted", "middle"),
        svg.text(margin, bottom + 40, f"margin {verdict.margin:g} pp", "muted"),
    ]
    label = f"Gain {gain.value:+.1f} pp, 95% interval {gain.low:+.1f} to {gain.high:+.1f}, margin {verdict.margin:g} pp"
    return svg.picture(label, bottom + 46, *parts, class_="picture ruler")


def _bound(lower: float | None, axis: Axis, y: float, tone: str) -> list[Markup]:
    """The one-sided lower bound, which the rule reads, as a tick on the interval."""
    return [] if lower is None else [svg.line(axis.at(lower), y - 9, axis.at(lower), y + 9, f"bound {tone}")]


def tone_of(verdict: Verdict) -> str:
    """Return the colour class of a verdict: each ruling has its own."""
    return {"PROCEED": "good", "ADJUST": "no"}.get(verdict.word, "unsure")


def mark_of(verdict: Verdict) -> str:
    """Return the sign of a verdict, the same as on screens."""
    return {"PROCEED": "✓", "ADJUST": "✗"}.get(verdict.word, "≈")


def gain_tone(row: Interval) -> str:
    """Return "gain", "loss" or "even": whether an interval excludes zero, and on which side."""
    if row.high is not None and (row.high < 0 or row.mark in ("harmed", "worse")):
        return "loss"
    return "gain" if row.low is not None and row.low > 0 else "even"


def gain_axis(groups: Sequence[Interval], margin: float) -> Axis:
    """Return the axis that several forest plots share."""
    numbers = [x for row in groups for x in (row.low, row.high, row.value) if x is not None]
    return axis_over([0.0, margin, *numbers])


def forest(rows: Sequence[Interval], axis: Axis, margin: float) -> list[tuple[Interval, Markup]]:
    """Return each interval with its plot; all share one axis, with zero and the margin in each."""
    return [(row, _forest_row(row, axis, margin)) for row in rows]


def forest_axis(axis: Axis) -> Markup:
    """Return the axis below a forest plot."""
    parts = [svg.line(0, 0.5, 100, 0.5, "axis")]
    parts += [svg.line(axis.at(tick), 0, axis.at(tick), 5, "tick") for tick in axis.ticks]
    parts += [svg.text(axis.at(tick), 19, f"{tick:+g}" if tick else "0", "muted") for tick in axis.ticks]
    return svg.element("svg", *parts, width="100%", height=22, class_="picture", aria_hidden="true")


def _forest_row(row: Interval, axis: Axis, margin: float) -> Markup:
    y = _ROW / 2
    parts = [
        svg.line(axis.at(0.0), 0, axis.at(0.0), _ROW, "zero"),
        svg.line(axis.at(margin), 0, axis.at(margin), _ROW, "margin"),
    ]
    if row.value is not None and row.low is not None and row.high is not None:
        tone = gain_tone(row)
        parts.append(svg.line(axis.at(row.low), y, axis.at(row.high), y, f"range {tone}"))
        parts.append(svg.dot(axis.at(row.value), y, 5, f"point {tone}"))
    return svg.picture(f"{row.label}: {_words(row)}", _ROW, *parts)


def _words(row: Interval) -> str:
    if row.value is None or row.low is None or row.high is None:
        return "undefined"
    return f"{row.value:+.1f}, {row.low:+.1f} to {row.high:+.1f} {row.unit}"


def groups_by(groups: Sequence[GainGroup]) -> list[tuple[str, list[GainGroup]]]:
    """Return the groups under "family", "kind" and "difficulty", as far as they are there, losses first."""
    divisions = dict.fromkeys(group.by for group in groups)
    return [(by, _losses_first([group for group in groups if group.by == by], by)) for by in divisions]


def _losses_first(groups: list[GainGroup], by: str) -> list[GainGroup]:
    """Difficulties have an order of their own; anything else is read for what got worse."""
    if by == "difficulty":
        return groups
    return sorted(groups, key=lambda group: group.gain.value if group.gain.value is not None else 0.0)


def marks(rows: Sequence[Interval]) -> list[tuple[str, int]]:
    """Return how many groups carry each mark."""
    return list(Counter(row.mark for row in rows if row.mark).items())


def outcome_bar(arm: ArmOutcomes) -> Markup:
    """Return one arm's samples as a bar divided by outcome."""
    total = sum(arm.counts.values())
    if not total:
        return Markup("")
    parts, x = [], 0.0
    for name in outcome_names([arm]):
        share = 100 * arm.counts[name] / total
        parts.append(svg.bar(x, 0, share, _ROW, f"outcome {name}", f"{name}: {arm.counts[name]} of {total}"))
        if share > 9:
            parts.append(svg.text(x + share / 2, 18, f"{share:.0f}%", f"on {name}"))
        x += share
    return svg.picture(f"{arm.label}: outcomes of {counted(total, 'sample')}", _ROW, *parts)


def outcome_names(arms: Sequence[ArmOutcomes]) -> list[str]:
    """Return the outcomes that occur, in order of how far programs came."""
    present = {name for arm in arms for name, number in arm.counts.items() if number}
    return [*(name for name in OUTCOME_ORDER if name in present), *sorted(present - set(OUTCOME_ORDER))]


def heat(gain: float | None, sweep: Sweep) -> int:
    """Return how strongly a cell of the sweep is coloured, 0 to 10 of the largest gain either way."""
    largest = max((abs(cell.gain.value) for cell in sweep.cells if cell.gain.value is not None), default=0.0)
    return round(10 * abs(gain) / largest) if gain is not None and largest else 0
