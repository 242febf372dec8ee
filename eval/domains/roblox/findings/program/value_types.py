"""What a value is, as far as the code says so, and what the API's facts know of such values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from eval.domains.roblox.api.facts import Facts, Member, load

# What is remembered of names: programs bring ever new ones.
NAMES_KEPT = 16_384
Shape = Literal["instance", "datatype", "namespace", "enums", "enum", "item", "list", "signal", "primitive"]
_NUMBERS = frozenset({"number", "float", "double", "int", "int64"})
_TEXTS = frozenset({"string", "ContentId", "Content"})
_TRUTHS = frozenset({"boolean", "bool"})


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a value.

    Attributes:
        shape: an Instance, a datatype's value, what holds constructors or library functions, the table of all enums,
            one enum, one of its items, a list, an event, or "number", "string", "boolean" and "function".
        name: the class, datatype, library, enum, or "Class.Event".
        is_exact: the Instance is of this very class, not of one that inherits from it.
        element: of a list.
        is_optional: it may be nil.
    """

    shape: Shape
    name: str
    is_exact: bool = False
    element: Type | None = None
    is_optional: bool = False


NUMBER, STRING, BOOLEAN, FUNCTION = (Type("primitive", name) for name in ("number", "string", "boolean", "function"))
ENUMS = Type("enums", "Enum")
_SIGNAL = Type("datatype", "RBXScriptSignal")


@cache
def facts() -> Facts:
    """Return the API's facts, read once a process."""
    return load()


@lru_cache(maxsize=NAMES_KEPT)
def named(text: str) -> Type | None:
    """Return the type that facts or an annotation spell as ``text``; None for what says nothing."""
    if text.endswith("?"):
        inner = named(text[:-1])
        return inner and Type(inner.shape, inner.name, inner.is_exact, inner.element, is_optional=True)
    if text.startswith("List<") and text.endswith(">"):
        return Type("list", text, element=named(text[5:-1]))
    if text == "Instances":
        return Type("list", text, element=Type("instance", "Instance"))
    for names, primitive in ((_NUMBERS, NUMBER), (_TEXTS, STRING), (_TRUTHS, BOOLEAN), ({"function"}, FUNCTION)):
        if text in names:
            return primitive
    return _of_the_api(text)


def _of_the_api(text: str) -> Type | None:
    known = facts()
    text = {"FontFace": "Font", "Font": "Enum.Font"}.get(text, text)
    if text.startswith("Enum.") or (text in known.enums and text not in known.classes and text != "Font"):
        return Type("item", text.removeprefix("Enum."))
    if text in known.classes:
        return Type("instance", text)
    # libraries are written small: a variable annotated with one, such as "table", says nothing of its fields
    return Type("datatype", text) if text in known.others and text[0].isupper() else None


def annotated(name: str) -> Type | None:
    """Return the type of an annotation, in which Font is the datatype and an enum is written Enum.Name."""
    return Type("datatype", "Font") if name == "Font" else named(name)


@lru_cache(maxsize=NAMES_KEPT)
def member_of(owner: Type, name: str) -> Member | None:
    """Return the member that a value of type ``owner`` has under ``name``; None where the facts know none.

    An Instance of a class that may be a subclass has the members of every subclass, as far as they agree on one.
    """
    if owner.shape == "instance":
        found = facts().member(owner.name, name)
        if found is not None or owner.is_exact:
            return found
        of_heirs = (facts().member(heir, name) for heir in _heirs(owner.name))
        return next((each for each in of_heirs if each is not None), None)
    holder = {"datatype": owner.name, "namespace": owner.name, "signal": "RBXScriptSignal", "item": "EnumItem"}
    holder |= {"enum": "Enum", "enums": "Enums", "primitive": "string" if owner == STRING else ""}
    return facts().others.get(holder.get(owner.shape, ""), {}).get(name)


@cache
def _heirs(class_name: str) -> tuple[str, ...]:
    return tuple(name for name in facts().classes if name != class_name and facts().is_a(name, class_name))


@cache
def member_names(owner: Type) -> frozenset[str]:
    """Return the names of every member that a value of this type can have, deprecated and hidden ones among them."""
    if owner.shape == "instance":
        classes = (owner.name,) if owner.is_exact else (owner.name, *_heirs(owner.name))
        return frozenset(name for each in classes for above in facts().ancestry(each) for name in above.members)
    if owner.shape == "enum":
        return frozenset(facts().enums[owner.name]) | facts().others["Enum"].keys()
    if owner.shape == "enums":
        return frozenset(facts().enums) | facts().others["Enums"].keys()
    names = {"signal": "RBXScriptSignal", "item": "EnumItem", "datatype": owner.name, "namespace": owner.name}
    return frozenset(facts().others.get(names.get(owner.shape, "string"), {}))


@cache
def every_member() -> dict[str, frozenset[str]]:
    """Return, for each kind of member, every name that some class declares."""
    names: dict[str, set[str]] = {}
    for each in facts().classes.values():
        for member in each.members.values():
            names.setdefault(member.kind, set()).add(member.name)
    return {kind: frozenset(found) for kind, found in names.items()}
