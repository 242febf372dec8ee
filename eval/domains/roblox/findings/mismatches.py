"""Properties that are given a literal of a type that the engine does not take for them."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.inference import values_of
from eval.domains.roblox.findings.program.reading import Reading
from eval.domains.roblox.findings.program.tree import Node
from eval.domains.roblox.findings.program.value_types import member_of, named

_LITERALS = {
    "string": "a string",
    "number": "a number",
    "true": "a boolean",
    "false": "a boolean",
    "table_constructor": "a table",
}


def mismatch_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each assignment of a literal to a property whose type is another one.

    An enum's property takes an item's name or number, and the engine reads numbers from strings: both are no findings.
    """
    for statement in reading.tree.kinds.get("assignment_statement", ()):
        targets = statement.first("variable_list")
        for target, value in zip(targets.children if targets else (), values_of(statement), strict=False):
            if target.kind == "dot_index_expression" and value.kind in _LITERALS:
                yield from _assigned(reading, target, value)


def _assigned(reading: Reading, target: Node, value: Node) -> Iterator[Finding]:
    owner, name = reading.owner(target), reading.tree.name(target, "field")
    member = member_of(owner, name) if owner is not None and owner.shape == "instance" else None
    wanted = named(member.type) if member is not None and member.kind == "property" else None
    if wanted is not None and wanted.shape in ("datatype", "instance"):
        text = f"{name} is a {wanted.name}, and is given {_LITERALS[value.kind]}"
        yield Finding(reading.tree.line(target), "type", "wrong-type", text)
