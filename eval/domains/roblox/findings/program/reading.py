"""A program with what is known of it: which names mean the same variable, and of which type expressions are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eval.domains.roblox.findings.program.tree import Node, Tree
from eval.domains.roblox.findings.program.value_types import Type

CONNECTING = frozenset({"Connect", "Once", "ConnectParallel"})


@dataclass(slots=True, eq=False)
class Binding:
    """A local variable or parameter.

    Attributes:
        declared: the node of its name.
        value: the expression it was declared with; None for a parameter.
        mentions: the identifiers that mean it, in the order of the source.
        writes: assignments after the declaration.
    """

    name: str
    declared: Node
    value: Node | None = None
    type: Type | None = None
    is_parameter: bool = False
    mentions: list[Node] = field(default_factory=list)
    writes: int = 0


@dataclass(slots=True)
class Reading:
    """A program with what is known of it.

    Attributes:
        types: of expressions, as far as they are known.
        bindings: of identifiers that mean a local variable.
        locals: every local variable and parameter, in the order of the source.
        written_globals: names of other variables that the program assigns, with the first place.
        handlers: named functions that are connected to an event, with the event.
    """

    tree: Tree
    types: dict[Node, Type] = field(default_factory=dict)
    bindings: dict[Node, Binding] = field(default_factory=dict)
    locals: list[Binding] = field(default_factory=list)
    written_globals: dict[str, Node] = field(default_factory=dict)
    handlers: dict[str, str] = field(default_factory=dict)

    def called(self, call: Node) -> str:
        """Return the name that a call is written with, without its receiver: "Connect", "wait"; "" for others."""
        name = call.parts.get("name")
        if name is None:
            return ""
        last = name.parts.get("method") or name.parts.get("field") or name
        return self.tree.text(last) if last.kind == "identifier" else ""

    def owner(self, index: Node) -> Type | None:
        """Return the type of what an index expression indexes, as far as it is known."""
        return self.types.get(index.parts["table"]) if "table" in index.parts else None

    def path(self, node: Node | None) -> str:
        """Return "task.wait" or "player.Character" for names joined by dots; "" for anything else."""
        if node is not None and node.kind == "identifier":
            return self.tree.text(node)
        if node is None or node.kind != "dot_index_expression" or "field" not in node.parts:
            return ""
        before = self.path(node.parts.get("table"))
        return f"{before}.{self.tree.text(node.parts['field'])}" if before else ""

    def is_global(self, node: Node | None, name: str) -> bool:
        """Whether a node is the identifier ``name`` and means no local variable."""
        return (
            node is not None
            and node.kind == "identifier"
            and node not in self.bindings
            and self.tree.text(node) == name
        )


def arguments(call: Node) -> Sequence[Node]:
    """Return the expressions that a call passes."""
    passed = call.parts.get("arguments")
    return [child for child in passed.children if child.kind != "comment"] if passed is not None else []


def event_of(tree: Tree, connecting: Node | None) -> str:
    """Return "PlayerAdded" for ``Players.PlayerAdded:Connect``; "" where no event is connected to."""
    if connecting is None or connecting.kind != "method_index_expression":
        return ""
    signal = connecting.parts.get("table")
    if signal is None or signal.kind != "dot_index_expression" or tree.name(connecting, "method") not in CONNECTING:
        return ""
    return tree.name(signal, "field")
