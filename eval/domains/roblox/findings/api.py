"""Names that the engine does not have: services, classes, members, enums and their items, library functions.

Only where the code itself says what a value is. An Instance's unknown name that is read may be a child, so it is found
where a child makes no sense: it is assigned, called as a method or connected to, or it misspells a member.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from functools import lru_cache

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import CONNECTING, Reading, arguments
from eval.domains.roblox.findings.program.tree import Node
from eval.domains.roblox.findings.program.value_types import (
    NAMES_KEPT,
    STRING,
    Type,
    every_member,
    facts,
    member_names,
    member_of,
)

# A name that is read from an Instance is a misspelt member, and no child, from this likeness on.
_MISSPELT = 0.84
_LIKENESS = 0.6
_TAKES_SERVICE = frozenset({"GetService", "FindService"})
_TAKES_CLASS = frozenset({"IsA", "FindFirstChildOfClass", "FindFirstChildWhichIsA", "FindFirstAncestorOfClass"})
# Where a member's name is missing, the parser takes the keyword that follows for it.
_KEYWORDS = frozenset({"do", "else", "elseif", "end", "for", "function", "if", "local", "repeat", "return", "while"})
# Their children are the program's own.
_HOLDERS = frozenset({"Folder", "Model", "Configuration", "LuaSourceContainer", "Instance"})


def api_findings(reading: Reading) -> Iterator[Finding]:
    """Yield every name that the engine does not have."""
    for call in reading.tree.kinds.get("function_call", ()):
        yield from _named_in(reading, call)
    for index in reading.tree.kinds.get("dot_index_expression", ()):
        yield from _index(reading, index)
    for index in reading.tree.kinds.get("method_index_expression", ()):
        yield from _method(reading, index)


def uses(reading: Reading) -> int:
    """Return how many names of the API a program uses, known ones and unknown ones, as far as types are known."""
    kinds = reading.tree.kinds
    indexes = [*kinds.get("dot_index_expression", ()), *kinds.get("method_index_expression", ())]
    return sum(reading.owner(index) is not None for index in indexes)


def _named_in(reading: Reading, call: Node) -> Iterator[Finding]:
    """Yield a service or class that a call names in a string and that does not exist."""
    name, passed = call.parts.get("name"), arguments(call)
    text = reading.tree.string(passed[0]) if passed else None
    if name is None or text is None:
        return
    method, is_of_game = reading.called(call), reading.is_global(name.parts.get("table"), "game")
    known = facts().classes
    if name.kind == "method_index_expression":
        if method in _TAKES_SERVICE and text not in known:
            services = [each.name for each in known.values() if each.is_service]
            yield _found(reading, call, "unknown-service", f'there is no service "{text}"', text, services)
        elif method in _TAKES_SERVICE and is_of_game and not known[text].is_service:
            yield _found(reading, call, "unknown-service", f'"{text}" is a class, but no service', "", ())
        elif method in _TAKES_CLASS and text not in known:
            yield _found(reading, call, "unknown-class", f'there is no class "{text}"', text, known)
    elif reading.path(name) == "Instance.new":
        if text not in known:
            yield _found(reading, call, "unknown-class", f'there is no class "{text}"', text, known)
        elif not known[text].is_creatable:
            yield _found(reading, call, "not-creatable", f'"{text}" cannot be created with Instance.new', "", ())


def _index(reading: Reading, index: Node) -> Iterator[Finding]:
    owner, name = reading.owner(index), reading.tree.name(index, "field")
    if owner is None or not name or owner.shape in ("list", "primitive"):
        return
    if name in member_names(owner) or name in _KEYWORDS:
        return
    if owner.shape == "instance" and not _is_no_child(index, reading, owner, name):
        return
    yield _unknown(reading, index, owner, name)


def _is_no_child(index: Node, reading: Reading, owner: Type, name: str) -> bool:
    """Whether an unknown name of an Instance cannot mean one of its children."""
    parent = index.parent
    if parent is not None and parent.kind == "variable_list":
        return True
    if parent is not None and parent.kind == "method_index_expression":
        return reading.tree.name(parent, "method") in CONNECTING | {"Wait"}
    if parent is not None and parent.kind == "function_call" and parent.parts.get("name") is index:
        return name not in every_member()["method"]
    return owner.name not in _HOLDERS and bool(_nearest(name, owner, _MISSPELT))


def _method(reading: Reading, index: Node) -> Iterator[Finding]:
    owner, name = reading.owner(index), reading.tree.name(index, "method")
    if owner is None or not name or owner.shape == "list" or index.field != "name":
        return
    if owner.shape in ("namespace", "enums") or (owner.shape == "primitive" and owner != STRING):
        return
    # what is taken for a child may be a text or, found already, an unknown event
    is_other = owner == Type("instance", "Instance") and (name in facts().others["string"] or name in CONNECTING)
    if member_of(owner, name) is None and not is_other:
        yield _unknown(reading, index, owner, name)


def _unknown(reading: Reading, index: Node, owner: Type, name: str) -> Finding:
    title = {"enums": "Enum", "enum": f"Enum.{owner.name}", "signal": f"the event {owner.name}", "item": "an enum item"}
    holder = title.get(owner.shape, owner.name)
    near = _nearest(name, owner, _LIKENESS)
    what = "item" if owner.shape == "enum" else "enum" if owner.shape == "enums" else "member"
    rule = "unknown-enum-item" if owner.shape in ("enum", "enums") else "unknown-member"
    return _found(reading, index, rule, f'{holder} has no {what} "{name}"', "", (), near)


@lru_cache(maxsize=NAMES_KEPT)
def _nearest(name: str, owner: Type, likeness: float) -> str:
    near = get_close_matches(name, sorted(member_names(owner)), 1, likeness)
    return near[0] if near else ""


def _found(
    reading: Reading, node: Node, rule: str, sentence: str, name: str, choices: Collection[str], near: str = ""
) -> Finding:
    near = near or next(iter(get_close_matches(name, choices, 1, _LIKENESS) if name else ()), "")
    return Finding(reading.tree.line(node), "api", rule, sentence + (f', nearest is "{near}"' if near else ""))
