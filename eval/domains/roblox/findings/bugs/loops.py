"""Loops that never end and never yield: the engine stops the whole script."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Reading
from eval.domains.roblox.findings.program.tree import FUNCTIONS, LOOPS, Node
from eval.domains.roblox.findings.program.value_types import every_member, member_of

_QUICK = frozenset({"print", "warn", "type", "typeof", "tostring", "tonumber", "ipairs", "pairs", "next", "select"})


def loop_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each loop without end, without a way out and without anything that could yield."""
    for kind, forever in (("while_statement", "true"), ("repeat_statement", "false")):
        for loop in reading.tree.kinds.get(kind, ()):
            condition = loop.parts.get("condition")
            if condition is not None and condition.kind == forever and not _leaves_or_yields(reading, loop):
                text = "the loop never ends and never yields: the script is stopped when its time is up"
                yield Finding(reading.tree.line(loop), "bug", "endless-loop", text)


def _leaves_or_yields(reading: Reading, loop: Node) -> bool:
    return any(_is_way_out(reading, node, loop) for child in loop.children for node in _own_nodes(child))


def _own_nodes(node: Node) -> Iterator[Node]:
    """Yield a node and what is below it, without the bodies of functions."""
    yield node
    if node.kind not in FUNCTIONS:
        for child in node.children:
            yield from _own_nodes(child)


def _is_way_out(reading: Reading, node: Node, loop: Node) -> bool:
    if node.kind == "break_statement":
        return next((above for above in node.ancestors() if above.kind in LOOPS), None) is loop
    return node.kind == "return_statement" or (node.kind == "function_call" and _may_yield(reading, node))


def _may_yield(reading: Reading, call: Node) -> bool:
    """Whether a call may yield or leave: a library's and most of the engine's do not, the program's own may."""
    name = call.parts.get("name")
    if name is None:
        return True
    if name.kind == "identifier":
        return reading.tree.text(name) not in _QUICK
    owner = reading.types.get(name.parts["table"]) if "table" in name.parts else None
    if name.kind == "dot_index_expression":
        is_library = owner is not None and owner.shape == "namespace"
        return not is_library or reading.path(name) in ("task.wait", "coroutine.yield")
    method = reading.called(call)
    member = member_of(owner, method) if owner is not None else None
    if member is not None:
        return member.yields or method in ("Wait", "WaitForChild")
    return method == "Wait" or method not in every_member()["method"] or method.endswith("Async")
