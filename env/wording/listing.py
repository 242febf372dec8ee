"""How many of a long list are told, and how many more there are: one wording everywhere."""

from __future__ import annotations

from collections.abc import Iterable


def more_text(hidden: int, what: str = "", where: str = "") -> str:
    """Return 'and 4 more', 'and 4 more kinds' or 'and 4 more: see report.json'; '' of none."""
    if hidden <= 0:
        return ""
    return f"and {hidden:,} more" + (f" {what}" if what else "") + (f": see {where}" if where else "")


def listed_text(items: Iterable[object], at_most: int, total: int | None = None, where: str = "") -> str:
    """Return 'a, b, c and 4 more': the first ``at_most`` items, and how many of ``total`` (default: all) there are."""
    names = [str(item) for item in items]
    shown = names[:at_most]
    more = more_text((len(names) if total is None else total) - len(shown), where=where)
    return " ".join(filter(None, (", ".join(shown), more)))


def lines_text(items: Iterable[object], at_most: int, what: str = "") -> str:
    """Return the first ``at_most`` items, each on an indented line of its own, and how many more there are."""
    rows = [str(item) for item in items]
    more = more_text(len(rows) - at_most, what)
    return "".join(f"\n  {row}" for row in [*rows[:at_most], *([f"... {more}"] if more else [])])
