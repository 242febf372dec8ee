"""Habits that the engine's documentation advises against: old waiting, globals, a parent in Instance.new."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.deprecated import WAITING
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Reading, arguments
from eval.domains.roblox.findings.program.tree import Node
from eval.domains.roblox.findings.program.value_types import facts


def style_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each such habit."""
    for call in reading.tree.kinds.get("function_call", ()):
        yield from _call(reading, call)
    for name, node in reading.written_globals.items():
        text = f"{name} is a global variable: declare it with local"
        yield Finding(reading.tree.line(node), "global", "global-variable", text)
    for index in reading.tree.kinds.get("dot_index_expression", ()):
        yield from _service(reading, index)


def _call(reading: Reading, call: Node) -> Iterator[Finding]:
    path = reading.path(call.parts.get("name"))
    if path in WAITING and reading.is_global(call.parts.get("name"), path) and path not in reading.written_globals:
        text = f"{path} is throttled and imprecise: use {WAITING[path]}"
        yield Finding(reading.tree.line(call), "wait", "old-wait", text)
    elif path == "Instance.new" and len(arguments(call)) > 1:
        text = "Instance.new with a parent: set Parent last, after the properties"
        yield Finding(reading.tree.line(call), "style", "parent-argument", text)


def _service(reading: Reading, index: Node) -> Iterator[Finding]:
    """Yield a service that is taken by its name, which a place may have changed."""
    name = reading.tree.name(index, "field") if reading.is_global(index.parts.get("table"), "game") else ""
    found = facts().classes.get(name)
    if found is not None and found.is_service and name != "Workspace":
        text = f'game.{name} goes by a name that can change: use game:GetService("{name}")'
        yield Finding(reading.tree.line(index), "style", "service-by-name", text)
