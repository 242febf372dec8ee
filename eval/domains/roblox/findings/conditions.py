"""Where a program looks at a value before it uses it."""

from __future__ import annotations

from eval.domains.roblox.findings.reading import Reading
from eval.domains.roblox.findings.tree import FUNCTIONS, Node

_COMPARING = frozenset({"and", "or", "==", "~=", "<", ">", "<=", ">="})
_LOOKING = frozenset({"assert", "typeof", "type", "tonumber"})
_STATEMENTS = frozenset({"block", "chunk", *FUNCTIONS})


def is_looked_at(reading: Reading, node: Node) -> bool:
    """Whether a mention stands where it decides something: in a condition, a comparison, assert, typeof or type."""
    below = node
    for above in node.ancestors():
        if below.field == "condition" or (above.kind == "binary_expression" and above.operator in _COMPARING):
            return True
        if above.kind == "unary_expression" and above.operator == "not":
            return True
        if above.kind == "function_call" and below.kind == "arguments" and reading.called(above) in _LOOKING:
            return True
        if above.kind in _STATEMENTS:
            return False
        below = above
    return False


def is_looked_at_before(reading: Reading, node: Node, path: str) -> bool:
    """Whether the names ``path``, such as "player.Character", decide something above ``node`` in its function."""
    inside = node.function()
    return any(
        index.start < node.start and reading.path(index) == path and is_looked_at(reading, index)
        for index in reading.tree.kinds.get("dot_index_expression", ())
        if inside is None or inside.start <= index.start
    )
