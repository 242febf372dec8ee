"""The stored facts, typed: classes with their members, enums with their items, datatypes and libraries."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from eval.domains.roblox.api import notation


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method.

    Attributes:
        default: None where it has none; "" where it has one that is more than a word.
    """

    name: str
    type: str
    default: str | None

    @property
    def is_optional(self) -> bool:
        """Whether a call may leave it out."""
        return self.default is not None or self.type.endswith("?") or self.type.startswith("Tuple")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a class, datatype or library.

    Attributes:
        owner: the class that declares it.
        kind: "property", "method", "event", "callback", "function" or "constant".
        type: of the property, or what a method returns, joined by commas; "" for nothing.
        flags: letters of notation.FLAGS.
        parameters: None for what is not called.
    """

    owner: str
    name: str
    kind: str
    type: str
    flags: str
    parameters: tuple[Parameter, ...] | None

    @property
    def is_deprecated(self) -> bool:
        """Whether new code should not use it."""
        return "d" in self.flags

    @property
    def is_read_only(self) -> bool:
        """Whether a script cannot assign it."""
        return "r" in self.flags or self.kind not in ("property", "callback")

    @property
    def is_scriptable(self) -> bool:
        """Whether a script can reach it at all."""
        return "n" not in self.flags

    @property
    def yields(self) -> bool:
        """Whether a call suspends the thread."""
        return "y" in self.flags


@dataclass(frozen=True, slots=True)
class ApiClass:
    """One class: its parent's name ("" for Object), its flags and the members that it declares itself."""

    name: str
    parent: str
    flags: str
    members: Mapping[str, Member]

    @property
    def is_creatable(self) -> bool:
        """Whether Instance.new takes it."""
        return "n" not in self.flags

    @property
    def is_service(self) -> bool:
        """Whether game:GetService returns it."""
        return "s" in self.flags

    @property
    def is_deprecated(self) -> bool:
        """Whether new code should not use it."""
        return "d" in self.flags


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts.

    Attributes:
        classes: by name.
        enums: enum to item to value.
        others: datatypes, libraries and the two sets of globals, by name, with their members.
        class_texts, enum_texts: the same in the notation, as the world reads them.
        source, licence: where they come from.
    """

    classes: Mapping[str, ApiClass]
    enums: Mapping[str, Mapping[str, int]]
    others: Mapping[str, Mapping[str, Member]]
    class_texts: Mapping[str, str] = field(repr=False)
    enum_texts: Mapping[str, str] = field(repr=False)
    source: str
    licence: str

    def ancestry(self, class_name: str) -> Iterator[ApiClass]:
        """Yield the class and its ancestors, nearest first; nothing for an unknown name."""
        found = self.classes.get(class_name)
        while found:
            yield found
            found = self.classes.get(found.parent)

    def member(self, class_name: str, name: str) -> Member | None:
        """Return the member that objects of the class have under ``name``, inherited ones included."""
        return next((each.members[name] for each in self.ancestry(class_name) if name in each.members), None)

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether ``class_name`` is ``ancestor`` or inherits from it."""
        return any(each.name == ancestor for each in self.ancestry(class_name))


@cache
def load() -> Facts:
    """Return the stored facts; read once a process."""
    stored: dict[str, Any] = json.loads(gzip.decompress(files(__package__).joinpath("facts.json.gz").read_bytes()))
    return Facts(
        classes={name: _api_class(name, text) for name, text in stored["classes"].items()},
        enums={name: dict(notation.read_items(text)) for name, text in stored["enums"].items()},
        others={name: _members(name, text.splitlines()) for name, text in stored["others"].items()},
        class_texts=stored["classes"],
        enum_texts=stored["enums"],
        source=f"{stored['source']} at {stored['commit']}",
        licence=stored["licence"],
    )


def _api_class(name: str, text: str) -> ApiClass:
    head, *lines = text.splitlines()
    parent, _, flags = head.partition(" ")
    return ApiClass(name, "" if parent == "-" else parent, flags, _members(name, lines))


def _members(owner: str, lines: list[str]) -> dict[str, Member]:
    members = {}
    for line in lines:
        kind, name, flags, type_name, parameters = notation.read_member(line)
        listed = None if parameters is None else tuple(Parameter(*each) for each in parameters)
        members[name] = Member(owner, name, notation.KINDS[kind], type_name, flags, listed)
    return members
