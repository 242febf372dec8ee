"""Names as a Luanti mod writes them: items with their mod, pictures with their ending."""

from __future__ import annotations

from eval.dealing.pools import Draw

# The engine lets a mod register names under its own name alone.
MOD = "mymod"


def item_name(draw: Draw) -> str:
    """Return an item name with its mod, such as "mymod:item"."""
    return f"{MOD}:{draw.word()}"


def texture_file(draw: Draw) -> str:
    """Return the name of a picture file."""
    return f"{draw.word()}.png"
