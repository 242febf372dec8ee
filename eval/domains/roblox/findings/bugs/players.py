"""What programs forget about players: those who are there already, and what is kept of those who left."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.bugs.connections import connected_event
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.inference import values_of
from eval.domains.roblox.findings.program.reading import Binding, Reading, arguments
from eval.domains.roblox.findings.program.tree import Node

_YIELDING = frozenset({"wait", "Wait", "WaitForChild"})


def player_findings(reading: Reading) -> Iterator[Finding]:
    """Yield connections to PlayerAdded that come late and miss players, and tables that keep every player."""
    names = {reading.tree.text(node) for node in reading.tree.kinds.get("identifier", ())}
    yields_at = _first_yield(reading)
    for call in reading.tree.kinds.get("function_call", ()):
        is_late = call.start > yields_at and connected_event(reading, call) == "PlayerAdded" and call.function() is None
        if is_late and not names & {"GetPlayers", "GetChildren"}:
            text = "PlayerAdded is connected after a wait: players who are there already are missed"
            yield Finding(reading.tree.line(call), "bug", "missed-players", text)
    if "PlayerRemoving" not in names:
        yield from _kept(reading)


def _first_yield(reading: Reading) -> float:
    """Return where the program's top level waits for the first time; beyond its end where it never does."""
    calls = reading.tree.kinds.get("function_call", ())
    return next((call.start for call in calls if _yields(reading, call) and call.function() is None), float("inf"))


def _yields(reading: Reading, call: Node) -> bool:
    method = reading.called(call)
    return method in _YIELDING or (method.endswith("Async") and not method.startswith("On"))


def _kept(reading: Reading) -> Iterator[Finding]:
    """Yield tables at the program's top that get an entry for each player and never lose one."""
    seen: set[Binding] = set()
    for index in reading.tree.kinds.get("bracket_index_expression", ()):
        table, key = index.parts.get("table"), index.parts.get("field")
        binding = reading.bindings.get(table) if table is not None else None
        if binding is None or key is None or binding in seen or not _is_entry(reading, index, key):
            continue
        if binding.declared.function() is None and _is_strong(reading, binding) and not _is_cleared(reading, binding):
            seen.add(binding)
            text = f"{binding.name} keeps an entry for each player, also of those who left"
            yield Finding(reading.tree.line(index), "bug", "player-leak", text)


def _is_entry(reading: Reading, index: Node, key: Node) -> bool:
    """Whether ``t[player] = something`` stands here, with a player that was passed in."""
    written = index.parent is not None and index.parent.kind == "variable_list"
    owner = reading.bindings.get(key)
    if not written or owner is None or not owner.is_parameter:
        return False
    return owner.name in ("player", "plr") or (owner.type is not None and owner.type.name == "Player")


def _is_strong(reading: Reading, binding: Binding) -> bool:
    is_table = binding.value is not None and binding.value.kind in ("table_constructor", "cast_expression")
    return is_table and "__mode" not in reading.tree.code


def _is_cleared(reading: Reading, binding: Binding) -> bool:
    """Whether something sets an entry to nil, or clears the table."""
    return any(_loses_entry(mention) or _is_emptied(reading, mention) for mention in binding.mentions)


def _loses_entry(mention: Node) -> bool:
    targets = mention.parent.parent if mention.parent is not None else None
    if targets is None or targets.kind != "variable_list" or targets.parent is None:
        return False
    return any(value.kind == "nil" for value in values_of(targets.parent))


def _is_emptied(reading: Reading, mention: Node) -> bool:
    call = mention.parent.parent if mention.parent is not None else None
    return call is not None and mention in arguments(call) and reading.path(call.parts.get("name")) == "table.clear"
