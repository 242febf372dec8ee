"""How times, durations, counts and measured values are displayed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.records import Metric

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def parse_time(text: str) -> datetime | None:
    """Return an ISO time in the reader's zone; None where it is not one."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None


def clock_text(at: str, now: datetime) -> str:
    """Return 'Fri 09:02' of an ISO time of the last six days, '2026-11-20' of an older one, '' of none."""
    moment = parse_time(at)
    if moment is None:
        return ""
    if timedelta(0) <= now - moment < timedelta(days=6) or moment.date() == now.date():
        return f"{_DAYS[moment.weekday()]} {moment:%H:%M}"
    return f"{moment:%Y-%m-%d}"


def duration_text(seconds: float | None) -> str:
    """Return '0.4 s', '11 s', '38 min', '3 h 12' or '2 d 03'; '' of None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d}"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d}"


def countdown_text(seconds: float) -> str:
    """Return '0:32', '27:05' or '2:27:05'."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def rate_text(rate: float) -> str:
    """Return '24/s', '7.5/min' or '3.0/h': per the shortest time in which at least one is done."""
    per, value = next(
        ((per, rate * seconds) for per, seconds in (("s", 1), ("min", 60)) if rate * seconds >= 1), ("h", rate * 3600)
    )
    return f"{value:.0f}/{per}" if value >= 10 else f"{value:.1f}/{per}"


def gate_name(gate: str, title: str) -> str:
    """Return 'B baseline'."""
    return f"{gate.upper()} {title}"


def metric_text(metric: Metric | None, signed: bool = False, lacking: str = "-") -> str:
    """Return '38.3 (31.7 to 44.9)', with signs for a gain; ``lacking`` where nothing was measured."""
    if metric is None:
        return lacking
    if metric.value is None:
        return "undefined"
    form = "+.1f" if signed else ".1f"
    if metric.low is None or metric.high is None:
        return f"{metric.value:{form}}"
    return f"{metric.value:{form}} ({metric.low:{form}} to {metric.high:{form}})"
