"""Connections that pile up: to an event of every frame, made again and again and never ended."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.handlers import FRAME_EVENTS, RECURRING
from eval.domains.roblox.findings.program.reading import Reading, event_of
from eval.domains.roblox.findings.program.tree import FUNCTIONS, LOOPS, Node


def connection_findings(reading: Reading) -> Iterator[Finding]:
    """Yield each connection to an event of every frame in a loop or a handler that ends nowhere."""
    methods = {reading.tree.name(node, "method") for node in reading.tree.kinds.get("method_index_expression", ())}
    for call in reading.tree.kinds.get("function_call", ()):
        event = connected_event(reading, call)
        is_kept = call.parent is not None and call.parent.kind not in ("block", "chunk")
        if event not in FRAME_EVENTS or (is_kept and "Disconnect" in methods):
            continue
        again = _made_again(reading, call)
        if again:
            text = f"{event} is connected {again}, and the connection is never ended"
            yield Finding(reading.tree.line(call), "bug", "connection-leak", text)


def connected_event(reading: Reading, call: Node) -> str:
    """Return "Heartbeat" for ``RunService.Heartbeat:Connect(…)``; "" for any other call."""
    return event_of(reading.tree, call.parts.get("name"))


def _made_again(reading: Reading, call: Node) -> str:
    """Return "in a loop" or "each time PlayerAdded fires"; "" where it is made once."""
    below = call
    for above in call.ancestors():
        if above.kind in LOOPS and below.kind == "block":
            return "in a loop"
        if above.kind in FUNCTIONS and (event := handled_event(reading, above)) in RECURRING:
            return f"each time {event} fires"
        below = above
    return ""


def handled_event(reading: Reading, function: Node) -> str:
    """Return the event that a function is connected to, in place or by its name; "" for none."""
    holder = function.parent.parent if function.parent is not None and function.parent.kind == "arguments" else None
    if holder is not None and holder.kind == "function_call":
        return connected_event(reading, holder)
    return reading.handlers.get(reading.called(function), "")
