"""What of a file of Lua or Luau stands for itself: registrations and functions at its top, and a whole module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from eval.domains.roblox.findings.program.tree import Node, NotRead, Tree, read

_APIS = ("core.register_", "minetest.register_")
# Fields that say what is registered, where no name comes first.
_NAMING = ("output", "label", "name", "ore", "recipe")


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of code with the comment before it.

    Attributes:
        name: what it registers or defines; "" for a module, and where a name is computed.
        call: of a registration "register_node".
        fields: keys of a registration's table; ``parameters`` of a function.
        comment: the text of the comment lines directly before it.
    """

    kind: Literal["registration", "function", "module"]
    name: str
    text: str
    line: int
    call: str = ""
    fields: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    comment: str = ""


class NoCode(ValueError):
    """The text cannot be read as Lua; the message says why."""


def units(code: str) -> tuple[Unit, ...]:
    """Return the units of a file in their order, the whole file last where it returns something.

    Raises:
        NoCode: the file is too long, nested too deeply, or no Lua.
    """
    try:
        tree = read(code)
    except NotRead as error:
        raise NoCode(str(error)) from None
    if tree.errors:
        raise NoCode("it is not Lua that the grammar reads")
    found = list(_top(tree))
    if any(node.kind == "return_statement" for node in tree.root.children):
        found.append(Unit("module", "", code.strip("\n"), 1))
    return tuple(found)


def _top(tree: Tree) -> Iterator[Unit]:
    comments: list[str] = []
    last_line = 0
    for node in tree.root.children:
        line = tree.line(node)
        if node.kind == "comment":
            comments = [*(comments if line == last_line + 1 else []), tree.text(node).lstrip("-").strip()]
            last_line = line + tree.text(node).count("\n")
            continue
        comment = " ".join(comments) if line == last_line + 1 else ""
        found = _registration(tree, node, comment) or _function(tree, node, comment)
        comments = []
        if found is not None:
            yield found


def _registration(tree: Tree, node: Node, comment: str) -> Unit | None:
    called = tree.name(node, "name") if node.kind == "function_call" else ""
    if not called.startswith(_APIS):
        return None
    arguments = node.parts["arguments"].children if "arguments" in node.parts else []
    table = next((one for one in arguments if one.kind == "table_constructor"), None)
    fields = [tree.name(field, "name") for field in table.children if field.kind == "field"] if table else []
    text = (tree.string(arguments[0]) if arguments else None) or _named_inside(tree, table)
    return Unit(
        kind="registration",
        name=text,
        text=tree.text(node),
        line=tree.line(node),
        call=called.partition(".")[2],
        fields=tuple(dict.fromkeys(field.strip("\"'") for field in fields if field)),
        comment=comment,
    )


def _named_inside(tree: Tree, table: Node | None) -> str:
    """Return the text of the first field of a definition that says what is registered; "" without one."""
    fields = [field for field in table.children if field.kind == "field"] if table else []
    values = {tree.name(field, "name"): tree.string(field.parts.get("value")) for field in fields}
    return next((text for name in _NAMING if (text := values.get(name))), "")


def _function(tree: Tree, node: Node, comment: str) -> Unit | None:
    if node.kind == "function_declaration":
        name, defined = tree.name(node, "name"), node
    elif node.kind == "assignment_statement" and len(node.children) == 2:
        values = node.children[1].children
        if len(values) != 1 or values[0].kind != "function_definition":
            return None
        name, defined = tree.text(node.children[0]), values[0]
    else:
        return None
    parameters = defined.parts["parameters"].children if "parameters" in defined.parts else []
    return Unit(
        kind="function",
        name=name,
        text=tree.text(node),
        line=tree.line(node),
        parameters=tuple(tree.text(one) for one in parameters if one.kind == "parameter"),
        comment=comment,
    )
