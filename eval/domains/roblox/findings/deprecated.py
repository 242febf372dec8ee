"""Members, classes and functions that the engine's documentation calls deprecated."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Reading, arguments
from eval.domains.roblox.findings.program.tree import Node
from eval.domains.roblox.findings.program.value_types import facts, member_of

# Style has findings of its own for these.
WAITING = {"wait": "task.wait", "spawn": "task.spawn", "delay": "task.delay"}


def deprecated_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each use of something deprecated."""
    for kind, field in (("dot_index_expression", "field"), ("method_index_expression", "method")):
        for index in reading.tree.kinds.get(kind, ()):
            owner, name = reading.owner(index), reading.tree.name(index, field)
            member = member_of(owner, name) if owner is not None and name else None
            if owner is not None and member is not None and member.is_deprecated:
                yield _found(reading, index, f"{owner.name}.{name}")
    for call in reading.tree.kinds.get("function_call", ()):
        yield from _call(reading, call)


def _call(reading: Reading, call: Node) -> Iterator[Finding]:
    name, passed = call.parts.get("name"), arguments(call)
    if reading.path(name) == "Instance.new" and passed:
        created = facts().classes.get(reading.tree.string(passed[0]) or "")
        if created is not None and created.is_deprecated:
            yield _found(reading, call, created.name)
    if name is not None and name.kind == "identifier" and name not in reading.bindings:
        function = facts().others["Roblox globals"].get(reading.tree.text(name))
        if function is not None and function.is_deprecated and function.name not in WAITING:
            yield _found(reading, call, function.name)


def _found(reading: Reading, node: Node, what: str) -> Finding:
    return Finding(reading.tree.line(node), "deprecated", "deprecated", f"{what} is deprecated")
