"""The syntax tree of a Luau program, as plain nodes with parents, read by tree-sitter-luau.

Reading executes nothing. A program that is longer, larger or nested deeper than any real one, or that takes the parser
too long, is not read, and says so.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from env.refusal import Refusal

if TYPE_CHECKING:
    from tree_sitter import Parser, TreeCursor
    from tree_sitter import Tree as SyntaxTree

# Of 1,791 public programs the longest has 6.3 KB and 1,131 parts, the deepest is nested 27 levels.
MAX_BYTES = 128 * 1024
MAX_DEPTH = 180
MAX_NODES = 15_000
# CPU time, so that a busy machine changes nothing; the slowest real program takes 0.02 s.
_LONGEST_S = 1.0
_QUICK_BYTES, _CHUNK_BYTES = 4096, 65536
_WITH_OPERATOR = frozenset({"binary_expression", "unary_expression", "update_statement"})
FUNCTIONS = frozenset({"function_definition", "function_declaration"})
LOOPS = frozenset({"for_statement", "while_statement", "repeat_statement"})


class NotRead(Exception):
    """The program is too long or nested too deeply to be read; the message says which."""


class Node:
    """One node: its kind in the grammar, its place in the source, its named children, and those that have a field.

    ``operator`` is the sign of a binary, unary or compound one. ``parts`` has the first child of each field, ``field``
    is the node's own in its parent; "" for none.
    """

    __slots__ = ("children", "end", "field", "kind", "operator", "parent", "parts", "start")

    def __init__(self, kind: str, start: int, end: int, parent: Node | None) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.parent = parent
        self.children: list[Node] = []
        self.parts: dict[str, Node] = {}
        self.operator = ""
        self.field = ""

    def ancestors(self) -> Iterator[Node]:
        """Yield the parent, its parent, and so on."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> Iterator[Node]:
        """Yield the node and everything below it, in the order of the source."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def first(self, kind: str) -> Node | None:
        """Return the first child of a kind."""
        return next((child for child in self.children if child.kind == kind), None)

    def function(self) -> Node | None:
        """Return the innermost function that the node lies in; None at the top of the program."""
        return next((node for node in self.ancestors() if node.kind in FUNCTIONS), None)


class Tree:
    """A program that was read.

    Attributes:
        root: the node of the whole program.
        kinds: every node by kind, in the order of the source.
        errors: bytes that the grammar could not place; 0 in a program that it reads whole.
    """

    def __init__(self, code: str, source: bytes, root: Node, kinds: dict[str, list[Node]], errors: int) -> None:
        self.code = code
        self.root = root
        self.kinds = kinds
        self.errors = errors
        self._source = source
        self._is_ascii = len(code) == len(source)
        self._line_starts: list[int] | None = None

    def text(self, node: Node) -> str:
        """Return the source of a node."""
        if self._is_ascii:
            return self.code[node.start : node.end]
        return self._source[node.start : node.end].decode("utf-8", "replace")

    def name(self, node: Node, field: str) -> str:
        """Return the source of the child in a field, such as the method of a call; "" where there is none."""
        return self.text(node.parts[field]) if field in node.parts else ""

    def line(self, node: Node) -> int:
        """Return the 1-based line on which a node starts."""
        if self._line_starts is None:
            self._line_starts = [0, *(place + 1 for place, sign in enumerate(self._source) if sign == 10)]
        return bisect_right(self._line_starts, node.start)

    def string(self, node: Node | None) -> str | None:
        """Return the content of a plain string; None for another node or one with interpolation or escapes."""
        if node is None or node.kind != "string":
            return None
        if any(child.kind != "string_content" for child in node.children):
            return None
        text = "".join(self.text(child) for child in node.children)
        return None if "\\" in text else text


def read(code: str) -> Tree:
    """Return the tree of a program, with or without errors in it.

    Raises:
        Refusal: tree-sitter-luau is not installed.
        NotRead: the program is too long or nested too deeply.
    """
    source = code.encode("utf-8", "replace")
    if len(source) > MAX_BYTES:
        raise NotRead(f"longer than {MAX_BYTES // 1024} KB")
    reading = _Reading()
    root = _copied(_parsed(source).walk(), None, 0, reading)
    return Tree(code, source, root, reading.kinds, reading.errors)


def _parsed(source: bytes) -> SyntaxTree:
    """Return the parser's own tree; the parser recovers from errors in quadratic time, which a candidate could use."""
    if len(source) <= _QUICK_BYTES:
        return parser().parse(source)
    stop_at = time.thread_time() + _LONGEST_S
    try:
        return parser().parse(
            lambda offset, _: source[offset : offset + _CHUNK_BYTES],
            progress_callback=lambda *_: time.thread_time() > stop_at,
        )
    except ValueError:  # the parser's word for a parse that was stopped
        parser().reset()
        raise NotRead(f"not parsed within {_LONGEST_S:g} s of CPU time") from None


class _Reading:
    """What gathers while a tree is copied."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[Node]] = defaultdict(list)
        self.errors = 0
        self.nodes = 0


@cache
def parser() -> Parser:
    """Return the parser. Raises Refusal where its packages are not installed."""
    try:
        import tree_sitter
        import tree_sitter_luau
    except ImportError as error:
        raise Refusal(
            f"Luau programs cannot be read: {error.name} is not installed.",
            'Install the domain\'s packages: pip install "luagate[roblox]".',
        ) from None
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_luau.language()))


def _copied(cursor: TreeCursor, parent: Node | None, depth: int, reading: _Reading) -> Node:
    """Return the node under the cursor with everything below it; the cursor comes back to where it was."""
    found = cursor.node
    assert found is not None  # a cursor that was just moved stands on a node
    node = Node(found.type, found.start_byte, found.end_byte, parent)
    reading.kinds[node.kind].append(node)
    reading.nodes += 1
    if reading.nodes > MAX_NODES:
        raise NotRead(f"of more than {MAX_NODES:,} parts")
    if found.is_error or found.is_missing:
        reading.errors += max(1, node.end - node.start)
    if not cursor.goto_first_child():
        return node
    if depth >= MAX_DEPTH:
        raise NotRead(f"nested deeper than {MAX_DEPTH} levels")
    while True:
        _add_child(node, cursor, depth, reading)
        if not cursor.goto_next_sibling():
            break
    cursor.goto_parent()
    return node


def _add_child(node: Node, cursor: TreeCursor, depth: int, reading: _Reading) -> None:
    found = cursor.node
    assert found is not None
    if found.is_named or found.is_missing:
        child = _copied(cursor, node, depth + 1, reading)
        node.children.append(child)
        if field := cursor.field_name:
            child.field = field
            node.parts.setdefault(field, child)
    elif node.kind in _WITH_OPERATOR:
        node.operator = found.type
