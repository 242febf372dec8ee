"""A place as a task file describes it: services with trees of instances, checked against the API's facts.

A tree is a list; an entry is "Class Name" (or "Class"), or a mapping of one such title to properties, with "Children",
"Tags" and "Attributes" among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eval.domains.roblox.api.facts import Facts, load

SERVICES = (
    "Workspace", "Players", "Lighting", "ReplicatedFirst", "ReplicatedStorage", "ServerScriptService", "ServerStorage",
    "StarterGui", "StarterPack", "StarterPlayer", "SoundService", "Teams",
)  # fmt: skip
_OWN_KEYS = ("Children", "Tags", "Attributes")


def tree_problems(tree: Any) -> Iterator[str]:
    """Yield what is wrong with a place's tree, one sentence each."""
    if not isinstance(tree, Mapping):
        yield "its tree is no mapping of services"
        return
    facts = load()
    for service, entries in tree.items():
        if service not in SERVICES:
            yield f"unknown service {service}"
        yield from _entry_list_problems(entries, str(service), facts)


def _entry_list_problems(entries: Any, where: str, facts: Facts) -> Iterator[str]:
    if not isinstance(entries, list):
        yield f"{where}: its content is no list"
        return
    for entry in entries:
        yield from entry_problems(entry, where, facts)


def entry_problems(entry: Any, where: str, facts: Facts) -> Iterator[str]:
    """Yield what is wrong with one entry of a tree, with its place."""
    title: Any
    given: Mapping[str, Any]
    if isinstance(entry, str):
        title, given = entry, {}
    elif isinstance(entry, Mapping) and len(entry) == 1:
        title, given = next(iter(entry.items()))
    else:
        yield f"{where}: an entry is neither a title nor a mapping of one title"
        return
    class_name, _, name = str(title).partition(" ")
    path = f"{where}.{name or class_name}"
    known = facts.classes.get(class_name)
    if known is None or not known.is_creatable:
        yield f"{path}: no instance of the class {class_name} can be made"
        return
    for key in given:
        if key not in _OWN_KEYS and not _is_property(facts, class_name, str(key)):
            yield f"{path}: {class_name} has no property {key}"
    yield from _entry_list_problems(given.get("Children", []), path, facts)


def _is_property(facts: Facts, class_name: str, name: str) -> bool:
    if name == "Source" and facts.is_a(class_name, "LuaSourceContainer"):
        return True
    member = facts.member(class_name, name)
    return member is not None and member.kind == "property"
