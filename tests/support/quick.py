"""Which tests are quick: those that start no run and load no model, told by what they import and which commands they type.

A rule over the source, so that no list of tests has to be kept. What takes seconds of a CPU all the same is marked heavy.
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
# A text without any of these has nothing heavy in it.
HEAVY_WORDS = (*HEAVY_MODULES, *(name for _, name in HEAVY_NAMES), *(f'"{word}"' for word in HEAVY_COMMANDS))
TESTS = Path(__file__).resolve().parents[1]


def mark_quick(items: Iterable[pytest.Item]) -> None:
    """Mark every test that is quick and marked neither slow nor heavy."""
    for item in items:
        marked = item.get_closest_marker("slow") or item.get_closest_marker("heavy")
        if marked is None and not _is_heavy(item):
            item.add_marker(pytest.mark.quick)


def holds_no_quick_test(path: Path) -> bool:
    """Return whether all tests of a file are heavy by what it, or a conftest.py beside or above it, imports."""
    return path.name.startswith("test_") and path.suffix == ".py" and _imports_what_is_heavy(path)


def _is_heavy(item: pytest.Item) -> bool:
    name = getattr(item, "originalname", item.name)
    fixtures = set(getattr(item, "fixturenames", ()))
    return (
        _imports_what_is_heavy(item.path)
        or name in _weights(item.path)[1]
        or any(fixtures & _weights(file)[1] for file in _files(item.path))
    )


def _imports_what_is_heavy(path: Path) -> bool:
    # what the outermost conftest.py imports, every test has
    return any(_weights(file)[0] for file in _files(path)[:-1])


@lru_cache
def _files(path: Path) -> tuple[Path, ...]:
    """Return a file of tests and each conftest.py that it gets fixtures from."""
    folders = (folder for folder in path.parents if folder.is_relative_to(TESTS))
    return path, *(folder / "conftest.py" for folder in folders if (folder / "conftest.py").is_file())


@lru_cache
def _weights(path: Path) -> tuple[bool, frozenset[str]]:
    """Return whether a file's own imports are heavy, and which of its functions are."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if any(map(_is_heavy_import, tree.body)):
        return True, frozenset()
    if not any(word in text for word in HEAVY_WORDS):
        return False, frozenset()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return False, frozenset(node.name for node in functions if any(map(_is_heavy_node, ast.walk(node))))


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
