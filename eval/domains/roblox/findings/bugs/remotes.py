"""What a client sends and a server uses unchecked: a client can send anything."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.bugs.connections import handled_event
from eval.domains.roblox.findings.conditions import is_looked_at
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Binding, Reading
from eval.domains.roblox.findings.program.tree import FUNCTIONS, Node

# A function so named looks at what it is given.
_CHECK_WORDS = ("valid", "check", "verify", "sanit", "guard")


def remote_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each argument of a remote's handler on the server that is used before its type or value is looked at."""
    parameters = {binding.declared: binding for binding in reading.locals if binding.is_parameter}
    for kind in FUNCTIONS:
        for function in reading.tree.kinds.get(kind, ()):
            if handled_event(reading, function) == "OnServerEvent" or _is_invoked(reading, function):
                yield from _unchecked(reading, function, parameters)


def _is_invoked(reading: Reading, function: Node) -> bool:
    """Whether a function is assigned to OnServerInvoke."""
    statement = function.parent.parent if function.parent is not None else None
    targets = statement.first("variable_list") if statement is not None else None
    if targets is None:
        return False
    return any(reading.tree.name(target, "field") == "OnServerInvoke" for target in targets.children)


def _unchecked(reading: Reading, function: Node, parameters: dict[Node, Binding]) -> Iterator[Finding]:
    listed = function.parts.get("parameters")
    declared = [child for child in (listed.children if listed is not None else ()) if child.kind == "parameter"]
    for name in [parameter.children[0] for parameter in declared if parameter.children][1:]:
        binding = parameters.get(name)
        if binding is not None and binding.mentions and not any(_is_check(reading, m) for m in binding.mentions):
            text = f'the client\'s argument "{binding.name}" is used without looking at its type or value'
            yield Finding(reading.tree.line(name), "bug", "unchecked-remote", text)


def _is_check(reading: Reading, mention: Node) -> bool:
    if is_looked_at(reading, mention):
        return True
    for above in mention.ancestors():
        if above.kind == "function_call" and any(word in reading.called(above).lower() for word in _CHECK_WORDS):
            return True
        if above.kind == "block":
            return False
    return False
