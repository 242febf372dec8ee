"""The kinds of the generated Roblox tasks: families coding, bugfix, typing and refactor."""

from __future__ import annotations

from eval.dealing.problem import Kind
from eval.domains.roblox.mini.kinds import bugfix, data, modules, moments, parts, players

KINDS: tuple[Kind, ...] = (
    *parts.KINDS,
    *data.KINDS,
    *players.KINDS,
    *moments.KINDS,
    *modules.KINDS,
    *bugfix.KINDS,
)
