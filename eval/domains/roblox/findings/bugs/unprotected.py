"""Calls of a web service outside pcall: they fail when the service does, and end the thread that made them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Reading, arguments
from eval.domains.roblox.findings.program.tree import FUNCTIONS, Node
from eval.domains.roblox.findings.program.value_types import facts

# They yield, but ask no service.
_LOCAL = frozenset({"PreloadAsync", "LoadCharacterAsync", "ComputeAsync", "PlayEmoteAsync", "UnloadCharacterAsync"})
# They ask a service, and are named as if they did not.
_ASKING = frozenset({"GetProductInfo", "LoadAsset", "AwardBadge", "UserHasBadge", "ReserveServer", "Teleport"})
_PROTECTING = frozenset({"pcall", "xpcall"})


def unprotected_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each call of a web service that no pcall protects."""
    protected = _protected_functions(reading)
    for call in reading.tree.kinds.get("function_call", ()):
        index, method = call.parts.get("name"), reading.called(call)
        if index is None or index.kind != "method_index_expression" or method not in _failing():
            continue
        owner = reading.owner(index)
        if (owner is None or owner.shape == "instance") and not _is_protected(reading, call, protected):
            text = f"{method} can fail, and is called outside pcall"
            yield Finding(reading.tree.line(call), "bug", "unprotected-call", text)


@cache
def _failing() -> frozenset[str]:
    members = (member for each in facts().classes.values() for member in each.members.values())
    names = {member.name for member in members if member.kind == "method"}
    return (frozenset(name for name in names if name.endswith("Async")) - _LOCAL) | (_ASKING & names)


def _protected_functions(reading: Reading) -> frozenset[str]:
    """Return the functions that a pcall calls, by name or inside what it is given, and those that call pcall."""
    names: set[str] = set()
    for call in reading.tree.kinds.get("function_call", ()):
        if reading.called(call) in _PROTECTING:
            for argument in arguments(call):
                names.update(reading.tree.text(node) for node in argument.walk() if node.kind == "identifier")
            names.update(reading.called(above) for above in call.ancestors() if above.kind in FUNCTIONS)
    return frozenset(names - {""})


def _is_protected(reading: Reading, call: Node, protected: frozenset[str]) -> bool:
    below = call
    for above in call.ancestors():
        name = reading.called(above) if above.kind == "function_call" or above.kind in FUNCTIONS else ""
        # handed to pcall, or to one of the program's own functions that calls it, such as retry(function() … end)
        if above.kind == "function_call" and below.kind == "arguments" and name in _PROTECTING | protected:
            return True
        if above.kind in FUNCTIONS and name in protected:
            return True
        below = above
    return False
