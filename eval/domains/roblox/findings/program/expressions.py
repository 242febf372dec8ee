"""The types of expressions, from the code alone.

They come from GetService, Instance.new, FindFirstChildOfClass and the like, annotations, casts, enums, constructors,
the API's return types and what events pass to handlers. Not covered: types through tables of the program's own, and
through returns of its own functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from eval.domains.roblox.findings.program.handlers import arguments_of
from eval.domains.roblox.findings.program.reading import Binding, Reading, arguments, event_of
from eval.domains.roblox.findings.program.tree import Node, Tree
from eval.domains.roblox.findings.program.value_types import (
    BOOLEAN,
    ENUMS,
    FUNCTION,
    NAMES_KEPT,
    NUMBER,
    STRING,
    Type,
    annotated,
    facts,
    member_of,
    named,
)

_OF_CLASS = frozenset({"FindFirstChildOfClass", "FindFirstAncestorOfClass"})
_THAT_IS_A = frozenset({"FindFirstChildWhichIsA", "FindFirstAncestorWhichIsA"})
_GLOBALS = {"game": Type("instance", "DataModel", is_exact=True), "script": Type("instance", "LuaSourceContainer")}
_GLOBALS |= {name.lower(): Type("instance", name, is_exact=True) for name in ("Workspace", "Plugin")} | {"Enum": ENUMS}
# What fragments that leave out their GetService lines call the services, besides those that end in Service.
_FRAGMENT_SERVICES = frozenset({"Players", "Debris", "Lighting", "ReplicatedStorage", "ServerStorage", "StarterGui"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "//"})

Types = tuple[Type | None, ...]


class Expressions(ABC):
    """Visits expressions in the order of the source, and binds the names in them."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.reading = Reading(tree)
        self.scopes: list[dict[str, Binding]] = [{}]
        self._own_types = {tree.name(node, "name") for node in tree.kinds.get("type_definition", ())}
        self._kinds: dict[str, Callable[[Node], Type | None]] = {
            "identifier": self._identifier,
            "dot_index_expression": self._dot_index,
            "bracket_index_expression": self._bracket_index,
            "function_call": self._call,
            "cast_expression": self._cast,
            "parenthesized_expression": self._parenthesized,
            "binary_expression": self._binary,
            "function_definition": self.function,
            "string": self._string,
            "number": lambda _: NUMBER,
            "true": lambda _: BOOLEAN,
            "false": lambda _: BOOLEAN,
        }

    @abstractmethod
    def visit(self, node: Node) -> None:
        """Visit a statement, an expression, or whatever holds some."""

    def expression(self, node: Node | None) -> Type | None:
        """Visit an expression and return its type."""
        if node is None:
            return None
        if node.kind not in self._kinds:
            self._visit_all(node.children)
            return None
        found = self._kinds[node.kind](node)
        if found is not None:
            self.reading.types[node] = found
        return found

    def is_expression(self, node: Node) -> bool:
        """Whether ``expression`` knows how to read a node."""
        return node.kind in self._kinds

    def _visit_all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self.visit(node)

    def lookup(self, name: str) -> Binding | None:
        """Return the variable that a name means here; None for a global one."""
        return next((scope[name] for scope in reversed(self.scopes) if name in scope), None)

    def bind(self, node: Node, value: Node | None, of_type: Type | None, is_parameter: bool = False) -> None:
        """Declare the variable named by ``node`` in the innermost scope."""
        binding = Binding(self.tree.text(node), node, value, of_type, is_parameter)
        self.scopes[-1][binding.name] = binding
        self.reading.locals.append(binding)

    def _identifier(self, node: Node) -> Type | None:
        name = self.tree.text(node)
        binding = self.lookup(name)
        if binding is not None:
            binding.mentions.append(node)
            self.reading.bindings[node] = binding
            return binding.type
        return None if name in self.reading.written_globals else _global_type(name)

    def _dot_index(self, node: Node) -> Type | None:
        owner = self.expression(node.parts.get("table"))
        return member_type(owner, self.tree.name(node, "field")) if owner is not None else None

    def _bracket_index(self, node: Node) -> Type | None:
        owner = self.expression(node.parts.get("table"))
        self.expression(node.parts.get("field"))
        return owner.element if owner is not None and owner.shape == "list" else None

    def _call(self, node: Node) -> Type | None:
        name = node.parts.get("name")
        if name is None:
            return None
        if name.kind == "method_index_expression":
            owner = self.expression(name.parts.get("table"))
            self._arguments(node, arguments_of(event_of(self.tree, name)))
            return self._method_result(node, self.tree.name(name, "method"), owner)
        self.expression(name)
        self._arguments(node, ())
        return self._function_result(node, name)

    def _arguments(self, call: Node, passes: Types) -> None:
        for argument in arguments(call):
            if argument.kind == "function_definition":
                self.reading.types[argument] = self.function(argument, passes)
            else:
                self.expression(argument)

    def _method_result(self, call: Node, method: str, owner: Type | None) -> Type | None:
        text = self._class_named(call)
        if method == "GetService" and text:
            return Type("instance", text, is_exact=True)
        if method in _OF_CLASS | _THAT_IS_A and text:
            return Type("instance", text, is_exact=method in _OF_CLASS, is_optional=True)
        if method == "Clone" and owner is not None and owner.shape == "instance":
            return owner
        member = member_of(owner, method) if owner is not None else None
        return named(member.type) if member is not None and member.kind == "method" else None

    def _function_result(self, call: Node, name: Node) -> Type | None:
        """Return what a constructor or a library's function returns."""
        path = self.reading.path(name)
        if path in ("Instance.new", "Instance.fromExisting"):
            created = self._class_named(call)
            return Type("instance", created, is_exact=True) if created else None
        owner = self.reading.owner(name)
        member = member_of(owner, path.rpartition(".")[2]) if owner is not None and owner.shape == "namespace" else None
        if owner is None or member is None or member.kind != "function":
            return None
        return named(member.type) if member.type else named(owner.name)

    def _class_named(self, call: Node) -> str:
        """Return the class that a call's first argument names as a string; "" for none."""
        passed = arguments(call)
        text = self.tree.string(passed[0]) if passed else None
        return text if text in facts().classes and text else ""

    def _cast(self, node: Node) -> Type | None:
        self.expression(node.children[0])
        return self.annotation(node.children[-1]) if len(node.children) > 1 else None

    def annotation(self, node: Node) -> Type | None:
        """Return the type that an annotation names; None for one of the program's own."""
        if node.kind == "optional_type" and node.children:
            inner = self.annotation(node.children[0])
            return replace(inner, is_optional=True) if inner is not None else None
        if node.kind == "object_type" and len(node.children) == 1 and node.children[0].kind == "identifier":
            return Type("list", "", element=self.annotation(node.children[0]))
        name = self.tree.text(node)
        return None if name in self._own_types or node.kind not in ("identifier", "builtin_type") else annotated(name)

    def _parenthesized(self, node: Node) -> Type | None:
        return self.expression(node.children[0]) if node.children else None

    def _binary(self, node: Node) -> Type | None:
        left = self.expression(node.parts.get("left"))
        right = self.expression(node.parts.get("right"))
        if node.operator == "..":
            return STRING
        if node.operator == "or" and left == right:
            return left
        return NUMBER if left == right == NUMBER and node.operator in _ARITHMETIC else None

    def _string(self, node: Node) -> Type:
        self._visit_all(node.children)
        return STRING

    def function(self, node: Node, passes: Types = ()) -> Type:
        """Visit a function's body, with its parameters bound; ``passes`` is what its caller is known to pass."""
        self.scopes.append({})
        listed = node.parts.get("parameters")
        for place, parameter in enumerate(listed.children if listed is not None else ()):
            if parameter.kind == "parameter" and parameter.children and parameter.children[0].kind == "identifier":
                passed = passes[place] if place < len(passes) else None
                said = self.annotation(parameter.children[1]) if len(parameter.children) > 1 else passed
                self.bind(parameter.children[0], None, said, is_parameter=True)
        if "body" in node.parts:
            self.visit(node.parts["body"])
        self.scopes.pop()
        return FUNCTION


def member_type(owner: Type, name: str) -> Type | None:
    """Return the type of ``owner.name``; an Instance's unknown name is taken for a child."""
    known = facts()
    if owner.shape == "enums":
        return Type("enum", name) if name in known.enums else None
    if owner.shape == "enum":
        return Type("item", owner.name) if name in known.enums.get(owner.name, ()) else None
    member = member_of(owner, name)
    if member is None:
        return Type("instance", "Instance") if owner.shape == "instance" else None
    if member.kind == "event":
        return Type("signal", f"{owner.name}.{name}")
    return named(member.type) if member.kind in ("property", "constant") else None


@lru_cache(maxsize=NAMES_KEPT)
def _global_type(name: str) -> Type | None:
    if name in _GLOBALS:
        return _GLOBALS[name]
    if name in _FRAGMENT_SERVICES or (name.endswith("Service") and name in facts().classes):
        return Type("instance", name, is_exact=True)
    members = facts().others.get(name, {})
    is_namespace = any(member.kind in ("function", "constant") for member in members.values())
    return Type("namespace", name) if is_namespace else None
