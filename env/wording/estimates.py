"""How an estimated time is told: rounded as far as it can be relied on."""

from __future__ import annotations


def about(seconds: float) -> str:
    """Return '40 s', '12 min' or '3 h 20' of an estimate."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"
