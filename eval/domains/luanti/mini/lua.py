"""Lua text for answers and checks: calls with a definition table, and assertions on what was registered."""

from __future__ import annotations

from eval.records import TaskCheck


def register(function: str, name: str, *fields: str, api: str = "core") -> str:
    """Return a register call with a name and a table of one field a line."""
    return f'{api}.{function}("{name}", {{\n{_lines(fields)}}})\n'


def register_table(function: str, *fields: str, api: str = "core") -> str:
    """Return a register call with a table alone, one field a line."""
    return f"{api}.{function}({{\n{_lines(fields)}}})\n"


def _lines(fields: tuple[str, ...]) -> str:
    return "".join(f"\t{field},\n" for field in fields)


def field_equals(name: str, definition: str, path: str, expected: str) -> TaskCheck:
    """Return a check that field ``path`` of ``definition`` (a Lua expression) equals the Lua value ``expected``."""
    return TaskCheck(name, f'equal({definition}.{path}, {expected}, "{path}")')


def nested_equals(name: str, definition: str, outer: str, inner: str, expected: str) -> TaskCheck:
    """Return a check of ``definition.outer.inner`` that fails with a sentence where ``outer`` is no table."""
    return TaskCheck(
        name,
        f"local outer = {definition}.{outer}\n"
        f'expect(type(outer) == "table", "{outer} is not a table")\n'
        f'equal(outer.{inner}, {expected}, "{outer}.{inner}")',
    )
