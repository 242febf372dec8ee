"""What each name of a program is bound to, and of which type its variables are: one walk in the order of the source.

A variable that is assigned values of different types has none.
"""

from __future__ import annotations

from collections.abc import Callable

from eval.domains.roblox.findings.program.expressions import Expressions
from eval.domains.roblox.findings.program.handlers import arguments_of
from eval.domains.roblox.findings.program.reading import Binding, Reading, arguments, event_of
from eval.domains.roblox.findings.program.tree import Node, Tree
from eval.domains.roblox.findings.program.value_types import FUNCTION, NUMBER, Type

_ITERATORS = frozenset({"ipairs", "pairs"})


def infer(tree: Tree) -> Reading:
    """Return the program with names bound and types known."""
    walk = _Statements(tree)
    walk.visit(tree.root)
    return walk.reading


class _Statements(Expressions):
    """Visits statements: they declare variables, assign to them, and open scopes."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self.reading.handlers.update(self._handlers())
        self._statements: dict[str, Callable[[Node], None]] = {
            "chunk": self._block,
            "block": self._block,
            "variable_declaration": self._declare,
            "assignment_statement": self._assign,
            "function_declaration": self._declare_function,
            "for_statement": self._for,
            "repeat_statement": self._repeat,
            "type_definition": lambda _: None,
        }

    def _handlers(self) -> dict[str, str]:
        """Return the named functions that are connected to events somewhere in the program."""
        found: dict[str, str] = {}
        for node in self.tree.kinds.get("method_index_expression", ()):
            event = event_of(self.tree, node)
            passed = arguments(node.parent) if node.parent is not None and event else ()
            if len(passed) == 1 and passed[0].kind == "identifier":
                found.setdefault(self.tree.text(passed[0]), event)
        return found

    def visit(self, node: Node) -> None:
        """Visit a statement, an expression, or whatever holds some."""
        if (statement := self._statements.get(node.kind)) is not None:
            statement(node)
        elif self.is_expression(node):
            self.expression(node)
        else:
            for child in node.children:
                self.visit(child)

    def _block(self, node: Node) -> None:
        self.scopes.append({})
        for child in node.children:
            self.visit(child)
        self.scopes.pop()

    def _declare(self, node: Node) -> None:
        inner = node.first("assignment_statement")
        values = values_of(inner) if inner is not None else []
        types = [self.expression(value) for value in values]
        variables = (inner or node).first("variable_list")
        for place, (name, said) in enumerate(_named(variables)):
            value = values[place] if place < len(values) else None
            found = types[place] if place < len(types) else None
            self.bind(name, value, self.annotation(said) if said is not None else found)

    def _assign(self, node: Node) -> None:
        types = [self.expression(value) for value in values_of(node)]
        variables = node.first("variable_list")
        for place, target in enumerate(variables.children if variables is not None else ()):
            if target.kind == "identifier":
                self._write(target, types[place] if place < len(types) else None)
            else:
                self.expression(target)

    def _write(self, target: Node, found: Type | None) -> None:
        binding = self.lookup(self.tree.text(target))
        if binding is None:
            self.reading.written_globals.setdefault(self.tree.text(target), target)
            return
        self.reading.bindings[target] = binding
        binding.mentions.append(target)
        was_empty = binding.value is None or binding.value.kind == "nil"
        is_first = binding.writes == 0 and was_empty and not binding.is_parameter
        binding.type = found if is_first or binding.type == found else None
        binding.writes += 1

    def _declare_function(self, node: Node) -> None:
        name = node.parts.get("name")
        own = self.tree.text(name) if name is not None and name.kind == "identifier" else ""
        if name is not None and own and node.field == "local_declaration":
            self.bind(name, node, FUNCTION)
        elif name is not None and own and self.lookup(own) is None:
            self.reading.written_globals.setdefault(own, name)
        elif name is not None:
            self.expression(name.parts.get("table"))
        self.scopes.append({})
        if name is not None and name.kind == "method_index_expression":
            self.scopes[-1]["self"] = Binding("self", name)
        self.function(node, arguments_of(self.reading.handlers.get(own, "")))
        self.scopes.pop()

    def _for(self, node: Node) -> None:
        clause = node.parts.get("clause")
        self.scopes.append({})
        if clause is not None and clause.kind == "for_generic_clause":
            self._generic_for(clause)
        elif clause is not None:
            for name in ("start", "end", "step"):
                self.expression(clause.parts.get(name))
            if "name" in clause.parts:
                self.bind(clause.parts["name"], None, NUMBER)
        if "body" in node.parts:
            self.visit(node.parts["body"])
        self.scopes.pop()

    def _generic_for(self, clause: Node) -> None:
        over = [(value, self.expression(value)) for value in values_of(clause)]
        element = None
        if over:
            first, listed = over[0]
            if first.kind == "function_call" and self.reading.called(first) in _ITERATORS and arguments(first):
                listed = self.reading.types.get(arguments(first)[0])
            element = listed.element if listed is not None and listed.shape == "list" else None
        for place, (name, _) in enumerate(_named(clause.first("variable_list"))):
            self.bind(name, None, element if place == 1 else None)

    def _repeat(self, node: Node) -> None:
        # the condition sees the locals of the body
        self.scopes.append({})
        for child in node.children:
            for inner in child.children if child.kind == "block" else (child,):
                self.visit(inner)
        self.scopes.pop()


def values_of(node: Node) -> list[Node]:
    """Return the expressions on the right of an assignment, or those that a loop goes through."""
    listed = node.first("expression_list")
    return [child for child in listed.children if child.kind != "comment"] if listed is not None else []


def _named(variables: Node | None) -> list[tuple[Node, Node | None]]:
    """Return each name of a list of variables with its annotation, which the grammar puts behind it."""
    names: list[tuple[Node, Node | None]] = []
    for child in variables.children if variables is not None else ():
        if child.field == "name":
            names.append((child, None))
        elif names and child.kind not in ("attribute", "comment"):
            names[-1] = (names[-1][0], child)
    return names
