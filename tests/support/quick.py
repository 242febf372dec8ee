"""Which tests are quick: those that start no run and load no model, told by what they import and which commands they type.

A rule over the source, so that no list of tests has to be kept.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

# Importing one of these means that a model is loaded, a process runs gates, or a browser is opened.
HEAVY_MODULES = (
    *("torch", "transformers", "peft", "mlx", "training.models", "training.backends", "training.tiny_random"),
    *("tests.support.model_work", "tests.support.mlx_models", "tests.support.tiny_random", "tests.support.holding"),
    *("tests.support.chromium", "tests.support.installed", "tests.faults"),
)
# So does importing these functions of a module that is harmless otherwise, and typing these commands.
HEAVY_NAMES = {("tests.support.runs", name) for name in ("runner", "start")}
HEAVY_COMMANDS = frozenset({"advance", "tmux", "doctor", "rejudge", "replay", "export"})
CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"


def mark_quick(items: Iterable[pytest.Item]) -> None:
    """Mark every test that is quick and not marked slow."""
    for item in items:
        if item.get_closest_marker("slow") is None and not _is_heavy(item):
            item.add_marker(pytest.mark.quick)


def _is_heavy(item: pytest.Item) -> bool:
    module, heavy_functions = _weights(item.path)
    name = getattr(item, "originalname", item.name)
    fixtures = set(getattr(item, "fixturenames", ()))
    return module or name in heavy_functions or bool(fixtures & (heavy_functions | _weights(CONFTEST)[1]))


@lru_cache
def _weights(path: Path) -> tuple[bool, frozenset[str]]:
    """Return whether a file's own imports are heavy, and which of its functions are."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    module = any(_is_heavy_import(node) for node in tree.body)
    return module, frozenset(node.name for node in functions if any(map(_is_heavy_node, ast.walk(node))))


def _is_heavy_node(node: ast.AST) -> bool:
    return _is_heavy_import(node) or (
        isinstance(node, ast.Call)
        and any(isinstance(word, ast.Constant) and word.value in HEAVY_COMMANDS for word in node.args)
    )


def _is_heavy_import(node: ast.AST) -> bool:
    return any(name.startswith(HEAVY_MODULES) for name in _imported(node)) or (
        isinstance(node, ast.ImportFrom) and any((node.module, alias.name) in HEAVY_NAMES for alias in node.names)
    )


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
