"""What a Lua program registers at its top level, read from its text without running it.

A reading for deriving checks and reports, never a verdict: luaparser accepts more than LuaJIT does (goto-less 5.4
syntax) and a program may register inside loops and functions, which is not followed.
"""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from typing import Any

_API_NAMES = frozenset({"core", "minetest"})
_REGISTER = re.compile(r"\b(?:core|minetest)\s*\.\s*register_(\w+)\s*\(?\s*(?:(['\"])(.*?)\2)?")
# decimal byte, hexadecimal byte, code point, a skipped run of white space, or one character
_ESCAPE = re.compile(rb"\\(?:(\d{1,3})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|z\s*|(.))", re.DOTALL)
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(frozen=True, slots=True)
class LuaTable:
    """A table constructor: (key, value) in order; positional values have the keys 1, 2, ..."""

    items: tuple[tuple[LuaKey, LuaValue], ...]

    def get(self, key: LuaKey) -> LuaValue:
        """Return the value at ``key``; None (nil) when there is none."""
        return next((value for own, value in reversed(self.items) if own == key), None)


@dataclass(frozen=True, slots=True)
class LuaCode:
    """A value known only by running the program; ``type`` is "function", or "" when not known either."""

    type: str


LuaKey = str | int | float | bool
LuaValue = str | int | float | bool | None | LuaTable | LuaCode


@dataclass(frozen=True, slots=True)
class Registration:
    """One call of a ``register_*`` function.

    Attributes:
        kind: the function's name after ``register_``.
        name: its first argument where that is text, else "".
        definition: its first table argument; None where there is none or the text did not parse.
    """

    kind: str
    name: str
    definition: LuaTable | None


class Unparsed(Exception):
    """The text is not Lua as luaparser reads it, or is nested too deeply for it."""


def registrations(code: str) -> tuple[Registration, ...]:
    """Return the registrations among the program's top-level statements, in order. Raises Unparsed."""
    apis = set(_API_NAMES)
    found = []
    for statement in _top_level(code):
        _learn_aliases(statement, apis)
        registration = _registration(statement, apis)
        if registration is not None:
            found.append(registration)
    return tuple(found)


def scan_registrations(code: str) -> tuple[Registration, ...]:
    """Return kind and name of everything that looks like a ``register_*`` call, anywhere; needs no valid syntax."""
    return tuple(Registration(match[1], match[3] or "", None) for match in _REGISTER.finditer(code))


def lua_type(value: LuaValue) -> str:
    """Return what Lua's ``type`` says of ``value``; "" when only running it would show."""
    if isinstance(value, LuaCode):
        return value.type
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", LuaTable: "table", type(None): "nil"}
    return names[type(value)]


def lua_literal(value: str | int | float | bool | LuaTable) -> str:
    """Return ``value`` as a Lua expression; a text's bytes outside printable ASCII become decimal escapes.

    Raises ValueError for a table that holds code.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return lua_string(value)
    if isinstance(value, LuaTable):
        return "{" + ", ".join(f"[{lua_literal(key)}] = {_item_literal(item)}" for key, item in value.items) + "}"
    return repr(value)


def lua_string(text: str) -> str:
    """Return ``text`` as a double-quoted Lua string."""
    data = text.encode("utf-8", "surrogateescape")
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03d}" for b in data) + '"'


def _item_literal(value: LuaValue) -> str:
    if value is None or isinstance(value, LuaCode):
        raise ValueError("a table that holds code is not a literal")
    return lua_literal(value)


def _top_level(code: str) -> list[Any]:
    from luaparser import ast

    try:
        # its lexer prints every error to stderr
        with contextlib.redirect_stderr(io.StringIO()):
            return list(ast.parse(code).body.body)
    except RecursionError:
        raise Unparsed("nested too deeply") from None
    except Exception as error:
        # luaparser's builder raises whatever its visitor stumbles over
        raise Unparsed(str(error).partition("\n")[0] or type(error).__name__) from None


def _learn_aliases(statement: Any, apis: set[str]) -> None:
    """Add the names of ``local mt = minetest`` to ``apis``."""
    if type(statement).__name__ in ("LocalAssign", "Assign"):
        for target, value in zip(statement.targets, statement.values, strict=False):
            if type(target).__name__ == type(value).__name__ == "Name" and value.id in apis:
                apis.add(target.id)


def _registration(statement: Any, apis: set[str]) -> Registration | None:
    if type(statement).__name__ != "Call" or type(statement.func).__name__ != "Index":
        return None
    owner, function = statement.func.value, statement.func.idx
    if type(owner).__name__ != "Name" or owner.id not in apis or type(function).__name__ != "Name":
        return None
    if not function.id.startswith("register_"):
        return None
    arguments = [_value(argument) for argument in statement.args]
    name = arguments[0] if arguments and isinstance(arguments[0], str) else ""
    table = next((argument for argument in arguments if isinstance(argument, LuaTable)), None)
    return Registration(function.id.removeprefix("register_"), name, table)


def _value(node: Any) -> LuaValue:
    match type(node).__name__:
        case "String":
            # Lua drops a newline that opens a long string
            is_long = node.delimiter.name == "DOUBLE_SQUARE"
            return str(node.raw).removeprefix("\n") if is_long else _unescaped(node.raw)
        case "Number":
            return node.n if isinstance(node.n, int | float) else LuaCode("number")
        case "TrueExpr" | "FalseExpr":
            return type(node).__name__ == "TrueExpr"
        case "Nil":
            return None
        case "Table":
            return _table(node)
        case "AnonymousFunction":
            return LuaCode("function")
        case "UMinusOp":
            operand = _value(node.operand)
            return -operand if isinstance(operand, int | float) and not isinstance(operand, bool) else LuaCode("")
        case "Concat":
            return _concatenation(_value(node.left), _value(node.right))
        case _:
            return LuaCode("")


def _unescaped(raw: str) -> str:
    """Return the text between a string's quotes with its escapes resolved (luaparser takes \\195 for a character)."""

    def resolve(match: re.Match[bytes]) -> bytes:
        decimal, hexadecimal, codepoint, other = match.groups()
        if decimal:
            return bytes([int(decimal) % 256])
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        if codepoint:
            return chr(int(codepoint, 16)).encode("utf-8", "surrogatepass")
        return _ESCAPES.get(other, other or b"")

    return _ESCAPE.sub(resolve, raw.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _concatenation(left: LuaValue, right: LuaValue) -> LuaValue:
    return left + right if isinstance(left, str) and isinstance(right, str) else LuaCode("string")


def _table(node: Any) -> LuaTable:
    items: list[tuple[LuaKey, LuaValue]] = []
    position = 0
    for field in node.fields:
        key = getattr(field, "key", None)
        value = _value(field.value)
        if key is None:
            position += 1
            items.append((position, value))
        elif type(key).__name__ == "Name" and not field.between_brackets:
            items.append((key.id, value))
        else:
            constant = _value(key)
            if isinstance(constant, str | int | float | bool):
                items.append((constant, value))
    return LuaTable(tuple(items))
