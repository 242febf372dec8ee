"""From a template to text: slots filled with random values, and code indented as asked for."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

SLOT = re.compile(r"\$\{(\w+)(?::(words))?\}|\$([A-Za-z]\w*)")
_INDENT = re.compile(r"^(?:  )+", re.MULTILINE)


def draw_values(slots: Mapping[str, tuple[str, ...]], stream: random.Random) -> dict[str, str]:
    """Return one value for each slot."""
    return {name: stream.choice(values) for name, values in slots.items()}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with its slots filled. Raises KeyError for a slot that has no value.

    For the value copper_pot of slot item: ``$item`` and ``${item}`` give copper_pot, ``${item:words}`` copper pot and
    ``$Item`` Copper Pot.
    """
    return SLOT.sub(lambda match: _value(match, values), text)


def _value(match: re.Match[str], values: Mapping[str, str]) -> str:
    name = match[1] or match[3]
    if name in values:
        return values[name].replace("_", " ") if match[2] else values[name]
    if name[0].isupper():
        return values[name[0].lower() + name[1:]].replace("_", " ").title()
    raise KeyError(f"no slot {name}")


def indented(code: str, indent: str) -> str:
    """Return a program of the seed files (two spaces a level) with ``indent`` for each level."""
    return _INDENT.sub(lambda match: indent * (len(match[0]) // 2), code)
