"""Each ruling's mark and style on every screen: an answer that is neither yes nor no looks like neither."""

from __future__ import annotations

RULINGS: dict[str, tuple[str, str]] = {
    "PROCEED": ("✓", "good"),
    "ADJUST": ("✗", "no"),
    "INCONCLUSIVE": ("≈", "unsure"),
}


def ruling_style(ruling: str) -> str:
    """Return the style of a ruling, which may carry a remark: "PROCEED (strong)"; "dim" of no ruling."""
    return RULINGS.get(ruling.partition(" ")[0].partition(":")[0], ("", "dim"))[1]
