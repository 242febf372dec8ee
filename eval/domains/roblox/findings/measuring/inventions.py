"""Programs with one name of the API replaced by one that does not exist, to measure what is found of such names."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from eval.domains.roblox.findings.program.reading import arguments
from eval.domains.roblox.findings.program.tree import Node, Tree, read
from eval.domains.roblox.findings.program.value_types import every_member, facts

KINDS = ("service", "class", "enum item", "library", "event", "property", "method")
_HEADS = ("Get", "Set", "Auto", "Max", "Is", "Current", "Default", "Local")
_TAILS = ("Value", "State", "Now", "Info", "Data", "Mode", "Ex", "Object")


@dataclass(frozen=True, slots=True)
class Invention:
    """A program with one invented name in place of ``known``."""

    kind: str
    known: str
    invented: str
    before: str
    after: str


def inventions(programs: Iterable[str], of_each: int, seed: int) -> list[Invention]:
    """Return ``of_each`` inventions of each kind, drawn from all places where ``programs`` use a name of that kind.

    Whether the name's owner can be known from the code plays no part in the draw.
    """
    rng = random.Random(seed)
    places: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for code in programs:
        for kind, node in _named(read(code)) if code.isascii() else ():
            places[kind].append((code, *node))
    drawn = []
    for kind in KINDS:
        for code, start, end in rng.sample(places[kind], min(of_each, len(places[kind]))):
            name = code[start:end]
            invented = rng.choice(_invented(name))
            drawn.append(Invention(kind, name, invented, code, code[:start] + invented + code[end:]))
    return drawn


def _invented(name: str) -> Sequence[str]:
    """Return names like ``name`` that the engine does not have: with another head or tail, or two letters swapped."""
    swapped = [name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(1, len(name) - 1)]
    headed = [head + name[0].upper() + name[1:] for head in _HEADS]
    forms = [*(name + tail for tail in _TAILS), *headed, *swapped]
    return [form for form in forms if form != name and form not in _every_name()]


@cache
def _every_name() -> frozenset[str]:
    known = facts()
    members = {name for names in every_member().values() for name in names}
    others = {name for each in known.others.values() for name in each}
    items = {name for each in known.enums.values() for name in each}
    return frozenset(members | others | items | known.classes.keys() | known.enums.keys())


def _named(tree: Tree) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each place where a name of the API stands, by its spelling alone: kind, and start and end."""
    for call in tree.kinds.get("function_call", ()):
        yield from _in_string(tree, call)
    for index in tree.kinds.get("method_index_expression", ()):
        if "method" in index.parts and tree.name(index, "method") in every_member()["method"]:
            yield "method", _span(index.parts["method"])
    for index in tree.kinds.get("dot_index_expression", ()):
        if "field" in index.parts and "table" in index.parts and (kind := _kind_of(tree, index)):
            yield kind, _span(index.parts["field"])


def _in_string(tree: Tree, call: Node) -> Iterator[tuple[str, tuple[int, int]]]:
    passed, written = arguments(call), tree.name(call, "name")
    if passed and tree.string(passed[0]) in facts().classes:
        kind = "service" if written.endswith(":GetService") else "class" if written == "Instance.new" else ""
        if kind:
            yield kind, (passed[0].start + 1, passed[0].end - 1)


def _kind_of(tree: Tree, index: Node) -> str:
    name, owner = tree.name(index, "field"), tree.name(index, "table")
    others: Mapping[str, object] = facts().others.get(owner, {})
    if owner.removeprefix("Enum.") in facts().enums and owner.startswith("Enum."):
        return "enum item"
    if name in others:
        return "library"
    is_connected = index.parent is not None and index.parent.kind == "method_index_expression"
    if is_connected and name in every_member()["event"]:
        return "event"
    return "property" if name in every_member()["property"] and name[0].isupper() else ""


def _span(node: Node) -> tuple[int, int]:
    return node.start, node.end
