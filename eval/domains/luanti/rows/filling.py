"""Code of the seed files in one of the usual styles of mods."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from eval.dealing.seeds.filling import indented

_API = re.compile(r"\bcore(?=[.:])")


@dataclass(frozen=True, slots=True)
class Style:
    """How a program is written down: one level of indentation, and the name of the engine's table."""

    indent: str = "\t"
    api: str = "core"


def draw_style(stream: random.Random, given: bool) -> Style:
    """Return a style: a ``given`` program (to repair, to refactor) may be indented by spaces or say minetest."""
    if not given:
        return Style()
    return Style(stream.choice(("\t", "\t", "    ", "  ")), stream.choice(("core", "core", "minetest")))


def written(code: str, style: Style) -> str:
    """Return a program of the seed files (two spaces a level, core) in ``style``."""
    return _API.sub(style.api, indented(code, style.indent))
