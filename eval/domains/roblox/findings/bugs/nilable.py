"""Values that may be nil and are used as if they never were: FindFirstChild's result, a raycast's, player.Character."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from eval.domains.roblox.findings.conditions import is_looked_at, is_looked_at_before, paths_looked_at
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Binding, Reading
from eval.domains.roblox.findings.program.tree import Node
from eval.domains.roblox.findings.program.value_types import facts

# The facts do not say that these may return nil.
_ALSO_NIL = frozenset({"GetPlayerFromCharacter", "GetPlayerByUserId"})
_INDEXING = frozenset({"dot_index_expression", "method_index_expression", "bracket_index_expression"})


def nilable_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each use of a value that may be nil before anything looks at it."""
    looked_at = paths_looked_at(reading)
    for kind in ("function_call", "dot_index_expression"):
        for value in reading.tree.kinds.get(kind, ()):
            name = _may_be_nil(reading, value) if _is_indexed(value) else ""
            if name and not is_looked_at_before(reading, value, looked_at):
                yield _found(reading, value, name)
    for binding in reading.locals:
        name = _may_be_nil(reading, binding.value) if binding.value is not None and not binding.writes else ""
        used = _first_unchecked_use(reading, binding) if name else None
        if used is not None:
            yield _found(reading, used, name)


def _found(reading: Reading, node: Node, name: str) -> Finding:
    return Finding(reading.tree.line(node), "bug", "unchecked-nil", f"{name} may be nil, and is used unchecked")


def _may_be_nil(reading: Reading, value: Node) -> str:
    """Return what may be nil, for a sentence; "" for a value that is not known to."""
    if value.kind == "dot_index_expression" and reading.tree.name(value, "field") == "Character":
        owner = reading.owner(value)
        return "Character" if owner is None or owner.name == "Player" else ""
    index = value.parts.get("name")
    if value.kind != "function_call" or index is None or index.kind != "method_index_expression":
        return ""
    method, of_type = reading.called(value), reading.types.get(value)
    if method in _nil_returning() or (of_type is not None and of_type.is_optional):
        return f"the result of {method}"
    owner = reading.owner(index)
    if method == "GetAsync" and (owner is None or "DataStore" in owner.name):
        return "what a data store holds under a new key"
    return ""


@cache
def _nil_returning() -> frozenset[str]:
    """Return the methods that may return nil in every class that has them."""
    returns: dict[str, set[bool]] = {}
    for each in facts().classes.values():
        for member in each.members.values():
            if member.kind == "method":
                returns.setdefault(member.name, set()).add(member.type.endswith("?"))
    return frozenset(name for name, found in returns.items() if found == {True}) | _ALSO_NIL


def _is_indexed(value: Node) -> bool:
    return value.field == "table" and value.parent is not None and value.parent.kind in _INDEXING


def _first_unchecked_use(reading: Reading, binding: Binding) -> Node | None:
    """Return where a variable is indexed before anything looks at it; None where something looks first."""
    for mention in binding.mentions:
        if is_looked_at(reading, mention):
            return None
        if _is_indexed(mention):
            return mention
    return None
