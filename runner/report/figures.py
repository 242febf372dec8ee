"""The figures of a report: ruler, forest plot, outcome bars, loss curve; data in, SVG out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.report import svg
from runner.report.data import ArmOutcomes, Interval, Sweep, Training, Verdict

# Outcomes in the order of how far a program came, each with a colour class of its own.
OUTCOME_ORDER = (
    "PASSED", "WRONG", "RUNTIME_ERROR", "TIMEOUT", "MEMORY", "CRASHED",
    "SYNTAX_ERROR", "PATCH_REJECTED", "NO_CODE", "HARNESS_ERROR",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from ``first`` to ``last``, drawn over 0–100 percent with round ``ticks``."""

    first: float
    last: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return where ``value`` stands, in percent of the width."""
        share = (value - self.first) / ((self.last - self.first) or 1.0)
        return 100 * min(1.0, max(0.0, share))


def axis_over(values: Sequence[float], pad: float = 0.06, about: int = 6) -> Axis:
    """Return an axis that holds all ``values`` with some room, and about so many round ticks."""
    low, high = min(values), max(values)
    room = (high - low or 1.0) * pad
    first, last = low - room, high + room
    step = _round_step((last - first) / about)
    start = math.ceil(first / step)
    ticks = tuple(number * step for number in range(start, math.floor(last / step) + 1))
    return Axis(first, last, ticks)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    # 1.4 is about the square root of 2: the nearest round step, rather than the next larger one.
    return next((factor * power for factor in (1, 2, 5) if rough <= 1.4 * factor * power), 10 * power)


def ruler(verdict: Verdict) -> Markup:
    """Return the gain's interval on a ruler with zero and the margin."""
    gain = verdict.gain
    if gain.value is None or gain.low is None or gain.high is None:
        return Markup("")
    axis = axis_over([0.0, verdict.margin, gain.low, gain.high], pad=0.12)
    tone = tone_of(verdict)
    y, zero, margin = 44.0, axis.at(0.0), axis.at(verdict.margin)
    parts = [
        svg.line(0, y, 100, y, "axis"),
        svg.line(zero, 20, zero, y + 30, "zero"),
        svg.line(margin, 20, margin, y + 30, "margin"),
        svg.line(axis.at(gain.low), y, axis.at(gain.high), y, f"range {tone}"),
        svg.dot(axis.at(gain.value), y, 7, f"point {tone}"),
        svg.text(axis.at(gain.value), 14, f"{gain.value:+.1f} pp", "strong"),
        svg.text(zero, y + 44, "0", "muted"),
        svg.text(margin, y + 44, f"margin {verdict.margin:g} pp", "muted"),
        svg.text(axis.at(gain.low), y + 26, f"{gain.low:+.1f}", "muted", "end"),
        svg.text(axis.at(gain.high), y + 26, f"{gain.high:+.1f}", "muted", "start"),
    ]
    label = f"Gain {gain.value:+.1f} pp, 95% interval {gain.low:+.1f} to {gain.high:+.1f}, margin {verdict.margin:g} pp"
    return svg.picture(label, y + 52, *parts)


def tone_of(verdict: Verdict) -> str:
    """Return the colour class of a verdict: "good" for PROCEED, "no" for the others."""
    return "good" if verdict.word == "PROCEED" else "no"


def forest(rows: Sequence[Interval], margin: float) -> list[tuple[Interval, Markup]]:
    """Return each interval with its plot; all share one axis, with zero and the margin in each."""
    numbers = [x for row in rows for x in (row.low, row.high, row.value) if x is not None]
    axis = axis_over([0.0, margin, *numbers])
    return [(row, _forest_row(row, axis, margin)) for row in rows]


def _forest_row(row: Interval, axis: Axis, margin: float) -> Markup:
    y = 13.0
    parts = [
        svg.line(0, y, 100, y, "axis"),
        svg.line(axis.at(0.0), 0, axis.at(0.0), 26, "zero"),
        svg.line(axis.at(margin), 0, axis.at(margin), 26, "margin"),
    ]
    if row.value is not None and row.low is not None and row.high is not None:
        tone = "no" if row.high < 0 or row.mark == "harmed" else "good" if row.low > 0 else "even"
        parts.append(svg.line(axis.at(row.low), y, axis.at(row.high), y, f"range {tone}"))
        parts.append(svg.dot(axis.at(row.value), y, 5, f"point {tone}"))
    return svg.picture(f"{row.label}: {_words(row)}", 26, *parts)


def _words(row: Interval) -> str:
    if row.value is None or row.low is None or row.high is None:
        return "undefined"
    return f"{row.value:+.1f}, {row.low:+.1f} to {row.high:+.1f} {row.unit}"


def outcome_bar(arm: ArmOutcomes) -> Markup:
    """Return one arm's samples as a bar divided by outcome."""
    total = sum(arm.counts.values())
    if not total:
        return Markup("")
    parts, x = [], 0.0
    for name in outcome_names([arm]):
        share = 100 * arm.counts[name] / total
        parts.append(svg.bar(x, 0, share, 26, f"outcome {name}", f"{name}: {arm.counts[name]} of {total}"))
        x += share
    return svg.picture(f"{arm.label}: outcomes of {total} samples", 26, *parts)


def outcome_names(arms: Sequence[ArmOutcomes]) -> list[str]:
    """Return the outcomes that occur, in order of how far programs came."""
    present = {name for arm in arms for name, number in arm.counts.items() if number}
    return [*(name for name in OUTCOME_ORDER if name in present), *sorted(present - set(OUTCOME_ORDER))]


def largest_gain(sweep: Sweep) -> float:
    """Return the largest gain of a sweep either way, in pp: what the strongest colour stands for."""
    return max((abs(cell.gain) for cell in sweep.cells if cell.gain is not None), default=0.0)


def loss_curve(training: Training) -> Markup:
    """Return the loss over steps; restarts are marked by vertical lines, checkpoints by ticks on the axis."""
    points = [(step, loss) for step, loss in training.points if math.isfinite(loss)]
    if len(points) < 2:
        return Markup("")
    height, left = 190.0, 0.0
    steps = axis_over([points[0][0], points[-1][0]], pad=0.0)
    losses = axis_over([loss for _, loss in points], about=4)

    def y_of(loss: float) -> float:
        return 10 + (height - 10) * (1 - losses.at(loss) / 100)

    parts = [svg.line(left, y_of(tick), 100, y_of(tick), "grid") for tick in losses.ticks]
    parts += [svg.line(steps.at(s), 8, steps.at(s), height, "restart") for s in training.restarts]
    parts.append(_curve([(10 * steps.at(step), y_of(loss)) for step, loss in points], height))
    parts += [svg.line(steps.at(s), height, steps.at(s), height + 7, "checkpoint") for s in training.checkpoints]
    parts += [svg.text(0.5, y_of(tick) - 4, f"{tick:g}", "muted", "start") for tick in losses.ticks]
    parts.append(svg.line(0, height, 100, height, "axis"))
    parts += [svg.text(steps.at(tick), height + 22, f"{tick:g}", "muted") for tick in steps.ticks]
    first, last = points[0], points[-1]
    label = f"Loss from {first[1]:.3f} at step {first[0]} to {last[1]:.3f} at step {last[0]}"
    return svg.picture(label, height + 28, *parts)


def _curve(points: Sequence[tuple[float, float]], height: float) -> Markup:
    """Return a polyline in a box of 1000 units that stretches with the page; the stroke does not."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    stroke = svg.element("polyline", points=path, class_="curve", vector_effect="non-scaling-stroke")
    # The viewBox is as high as the curve's place: only x is stretched.
    return svg.element(
        "svg", stroke, x=0, y=0, width="100%", height=height, viewBox=f"0 0 1000 {height:g}", preserveAspectRatio="none"
    )
