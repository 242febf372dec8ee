"""The languages that a child can run: each is a module of this folder that offers what ``Runtime`` says.

The child is told the file of one; it imports that one alone, so that a machine needs only the library of the language
it judges.
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Protocol


class OutOfMemory(Exception):
    """The program used more than its memory."""


class JudgeFailed(Exception):
    """The judging program itself raised: never the candidate's fault. One line why."""


class Runtime(Protocol):
    """What the module of a language offers."""

    def version(self) -> str:
        """Return the runtime's name and version, such as "Luau 0.686"."""
        ...

    def compile_program(self, files: dict[str, str], on_demand: dict[str, str]) -> Any:
        """Return the judging program, compiled once for every job; ``on_demand`` is run when a job needs it.

        Raises any exception, naming the file, where one does not compile.
        """
        ...

    def run_program(self, program: Any, arguments: list[str], memory_bytes: int) -> list[str | float]:
        """Run one job in a fresh runtime and return the judging program's values.

        Raises:
            OutOfMemory: it used more than ``memory_bytes``.
            JudgeFailed: the judging program raised.
        """
        ...


# Language to the package that its runtime comes from, and the extension module of it that it needs.
LIBRARIES = {"lua": "lupa", "lua51": "lupa", "luau": "pluau"}
EXTENSIONS = {"lua": "luajit21", "lua51": "lua51", "luau": "_pluau"}


def module_file(language: str) -> Path:
    """Return the file of a language's module."""
    return Path(__file__).resolve().with_name(f"{language}.py")


def library_folder(language: str) -> Path | None:
    """Return the folder that holds a language's library; None where it is not installed. Nothing is imported."""
    found = importlib.util.find_spec(LIBRARIES[language])
    return None if found is None or found.origin is None else Path(found.origin).parents[1]


def has_runtime(language: str) -> bool:
    """Whether the library that is installed holds the language's runtime for this interpreter. Nothing is imported."""
    folder = library_folder(language)
    names = [EXTENSIONS[language] + suffix for suffix in EXTENSION_SUFFIXES]
    return folder is not None and any((folder / LIBRARIES[language] / name).is_file() for name in names)
