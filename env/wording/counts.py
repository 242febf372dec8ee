"""How a number of things is told: "1 task", "1,240 tasks"."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return '1 check', '14 checks', '1,240 samples'; ``plural`` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
