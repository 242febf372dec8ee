"""Where a program looks at a value before it uses it."""

from __future__ import annotations

from collections import defaultdict

from eval.domains.roblox.findings.program.reading import Reading
from eval.domains.roblox.findings.program.tree import FUNCTIONS, Node

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


def paths_looked_at(reading: Reading) -> dict[str, list[int]]:
    """Return the names joined by dots, such as "player.Character", that decide something, and where."""
    found: dict[str, list[int]] = defaultdict(list)
    for index in reading.tree.kinds.get("dot_index_expression", ()):
        path = reading.path(index)
        if path and is_looked_at(reading, index):
            found[path].append(index.start)
    return found


def is_looked_at_before(reading: Reading, node: Node, looked_at: dict[str, list[int]]) -> bool:
    """Whether the names that ``node`` is written with decide something above it in its function."""
    inside = node.function()
    start = inside.start if inside is not None else 0
    return any(start <= place < node.start for place in looked_at.get(reading.path(node), ()))
