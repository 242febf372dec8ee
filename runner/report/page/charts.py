"""The charts of a report: pass@k over k with bands, training curves, every task's gain; data in, SVG out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from env.wording.counts import counted
from runner.report.data import PassCurve, Series, TaskView, Training
from runner.report.page import svg
from runner.report.page.axes import Axis, axis_over

# Units across a stretched picture: enough that rounding never shows.
_UNITS = 1000.0
_TOP = 12.0
# style.css knows so many widths of the chart of tasks.
_MOST_FIFTIES = 40


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a chart's values stand: x in percent, y in px from ``_TOP`` down to ``height``."""

    x: Axis
    y: Axis
    height: float

    def y_of(self, value: float) -> float:
        return _TOP + (self.height - _TOP) * (1 - self.y.at(value) / 100)

    def units(self, x: float, y: float) -> tuple[float, float]:
        return _UNITS * self.x.at(x) / 100, self.y_of(y)


def pass_curves(curves: Sequence[PassCurve], k: int | None) -> Markup:
    """Return pass@k of base and adapter for every k, each with its 95% band; the rule's k is marked."""
    known = [point for curve in curves for point in curve.points if point.value is not None]
    ks = [int(point.label) for point in known]
    if len(set(ks)) < 2:
        return Markup("")
    bounds = [x for point in known for x in (point.low, point.high, point.value) if x is not None]
    frame = _Frame(_whole_axis(min(ks), max(ks)), axis_over([0.0, *bounds], pad=0.02, about=5), 250.0)
    parts = _grid(frame, "{:g}%")
    if k is not None:
        parts.append(svg.line(frame.x.at(k), _TOP, frame.x.at(k), frame.height, "margin"))
    lines = [line for place, curve in enumerate(curves) for line in _pass_curve(curve, frame, _ARM_TONES[place > 0])]
    parts.append(svg.stretched(_UNITS, frame.height, *lines))
    for place, curve in enumerate(curves):
        parts += _pass_points(curve, frame, _ARM_TONES[place > 0], "adapter" if place else "base")
    parts += _x_ticks(frame, "k")
    return svg.picture(_pass_words(curves), frame.height + 44, *parts, class_="picture framed labelled")


_ARM_TONES = {False: "base", True: "adapter"}


def _pass_curve(curve: PassCurve, frame: _Frame, tone: str) -> list[Markup]:
    points = [(int(p.label), p.value, p.low, p.high) for p in curve.points if p.value is not None]
    banded = [(k, low, high) for k, _, low, high in points if low is not None and high is not None]
    outline = [frame.units(k, low) for k, low, _ in banded] + [frame.units(k, high) for k, _, high in reversed(banded)]
    return [
        svg.path(outline, f"band {tone}", closed=True),
        svg.path([frame.units(k, value) for k, value, _, _ in points], f"curve {tone}"),
    ]


def _pass_points(curve: PassCurve, frame: _Frame, tone: str, name: str) -> list[Markup]:
    known = [(int(point.label), point.value) for point in curve.points if point.value is not None]
    if not known:
        return []
    dots = [svg.dot(frame.x.at(k), frame.y_of(value), 3.5, f"point {tone}") for k, value in known]
    _, last = known[-1]
    return [*dots, svg.text(100, frame.y_of(last) + 4, f"{name} {last:.0f}%", f"name {tone}", "start", dx=10)]


def _pass_words(curves: Sequence[PassCurve]) -> str:
    ends = [(curve.label, [p for p in curve.points if p.value is not None]) for curve in curves]
    told = [
        f"{name} from {p[0].value:.1f}% at k = {p[0].label} to {p[-1].value:.1f}% at k = {p[-1].label}"
        for name, p in ends
        if p
    ]
    return f"pass@k by k: {'; '.join(told)}"


def training_charts(training: Training) -> list[tuple[str, Markup]]:
    """Return a chart of each recorded quantity; restarts are dashed, checkpoints ticks, the chosen one a dot."""
    return [(series.name, chart) for series in training.series if (chart := _training_chart(series, training))]


def _training_chart(series: Series, training: Training) -> Markup:
    points = [(step, value) for step, value in series.points if math.isfinite(value)]
    if len(points) < 2:
        return Markup("")
    values = [value for _, value in points]
    frame = _Frame(axis_over([points[0][0], points[-1][0]], pad=0.0, about=4), axis_over(values, about=4), 150.0)
    parts = _grid(frame, "{:g}")
    parts += [svg.line(frame.x.at(s), _TOP, frame.x.at(s), frame.height, "restart") for s in training.restarts]
    parts.append(
        svg.stretched(_UNITS, frame.height, svg.path([frame.units(*point) for point in points], "curve adapter"))
    )
    parts += [
        svg.line(frame.x.at(s), frame.height - 7, frame.x.at(s), frame.height, "checkpoint")
        for s in training.checkpoints
    ]
    if training.chosen is not None:
        parts.append(svg.dot(frame.x.at(training.chosen), frame.height, 5, "chosen"))
    parts += _x_ticks(frame, "step")
    first, last = points[0], points[-1]
    label = f"{series.name} from {first[1]:.4g} at step {first[0]} to {last[1]:.4g} at step {last[0]}"
    return svg.picture(label, frame.height + 44, *parts, class_="picture framed")


def _whole_axis(first: int, last: int) -> Axis:
    step = max(1, round((last - first) / 9))
    return Axis(first, last, tuple(float(tick) for tick in range(first, last + 1, step)))


def _grid(frame: _Frame, label: str) -> list[Markup]:
    parts = [svg.line(0, frame.y_of(tick), 100, frame.y_of(tick), "grid") for tick in frame.y.ticks]
    parts += [
        svg.text(0, frame.y_of(tick) + 4, label.format(float(f"{tick:.6g}")), "muted", "end", dx=-8)
        for tick in frame.y.ticks
    ]
    return [*parts, svg.line(0, frame.height, 100, frame.height, "axis")]


def _x_ticks(frame: _Frame, name: str) -> list[Markup]:
    ticks = [
        svg.element(
            "text", f"{tick:g}", x=f"{frame.x.at(tick):.2f}%", y=frame.height + 19, text_anchor="middle", class_="muted"
        )
        for tick in frame.x.ticks
    ]
    return [*ticks, svg.text(100, frame.height + 37, name, "muted", "end")]


def waterfall(tasks: Sequence[TaskView]) -> Markup:
    """Return every task's gain as a bar, losses first; the whole height over each leads to its samples."""
    gains = [(task, task.gain) for task in tasks if task.gain is not None]
    if not gains:
        return Markup("")
    height, middle = 160.0, 80.0
    bars = [_gain_bar(place, task, gain, middle) for place, (task, gain) in enumerate(gains)]
    parts = [svg.line(0, middle - share * 0.72, 100, middle - share * 0.72, "grid") for share in (-100, -50, 50, 100)]
    parts += [
        svg.text(0, middle - share * 0.72 + 4, f"{share:+d}" if share else "0", "muted", "end", dx=-8)
        for share in (-100, -50, 0, 50, 100)
    ]
    parts += [svg.stretched(float(len(gains)), height, *bars), svg.line(0, middle, 100, middle, "zero")]
    lost, won = sum(gain < 0 for _, gain in gains), sum(gain > 0 for _, gain in gains)
    same = len(gains) - lost - won
    label = f"Gain of each of {counted(len(gains), 'task')} in pp: {lost} lost, {won} gained, {same} the same"
    # links are no part of an image: a group may hold them; the style makes room for every fifty bars
    fifties = min(_MOST_FIFTIES, -(-len(gains) // 50))
    return svg.picture(label, height, *parts, class_=f"picture framed fifties-{fifties}", role="group")


def _gain_bar(place: int, task: TaskView, gain: float, middle: float) -> Markup:
    tall = max(2.0, abs(gain) * 0.72) if gain else 3.0
    top = middle - tall if gain > 0 else middle if gain < 0 else middle - 1.5
    tone = "gain" if gain > 0 else "loss" if gain < 0 else "even"
    said = f"{task.task_id}: {gain:+.1f} pp"
    hit = svg.element("rect", svg.element("title", said), x=place, y=0, width=1, height=2 * middle, class_="hit")
    rect = svg.element("rect", x=place + 0.1, y=round(top, 1), width=0.8, height=round(tall, 1), class_=tone)
    return svg.element("a", hit, rect, href=f"#task={task_anchor(task.task_id)}", tabindex="-1", aria_label=said)


def task_anchor(task_id: str) -> str:
    """Return a task's id as it appears in a deep link."""
    return quote(task_id, safe="")
