"""The languages that a child can run: each is a module of this folder that offers what ``Runtime`` says.

The child is told the file of one; it imports that one alone, so that a machine needs only the library of the language
it judges.
"""

from __future__ import annotations

import importlib.util
import sys
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


# Language to the package that its runtime comes from.
LIBRARIES = {"lua": "lupa", "luau": "pluau"}
# Those that run in WebAssembly under Node (eval/sandbox/web): the parent bounds their time, Node has no timer for it.
UNDER_NODE = ("luau_web",)


def module_file(language: str) -> Path:
    """Return the file of a language's module."""
    return Path(__file__).resolve().with_name(f"{language}.py")


def library_folder(language: str) -> Path | None:
    """Return the folder that holds a language's library; None where it is not installed. Nothing is imported."""
    if language in UNDER_NODE:
        from eval.sandbox.web.installation import folder  # children import this module, and none of them needs that one

        return folder()
    found = importlib.util.find_spec(LIBRARIES[language])
    return None if found is None or found.origin is None else Path(found.origin).parents[1]


def words_of_child(language: str, child: Path, parent_pid: int, memory_mb: int) -> list[str]:
    """Return the command of a child of ``language``: the program ``child`` under Python, or the one under Node.

    Raises:
        LookupError: its library is not installed; one clause why.
    """
    if language in UNDER_NODE:
        from eval.sandbox.web.installation import child_words

        return child_words(parent_pid, memory_mb)
    return [sys.executable, "-I", "-B", str(child), str(module_file(language)), _required_folder(language)]


def folders_of_child(language: str) -> list[str]:
    """Return the folders that a child of ``language`` reads besides Python's and ours. Raises LookupError likewise."""
    if language in UNDER_NODE:
        from eval.sandbox.web.installation import child_folders

        return child_folders()
    return [_required_folder(language)]


def _required_folder(language: str) -> str:
    folder = library_folder(language)
    if folder is None:
        raise LookupError(f"{LIBRARIES[language]} is not installed in this environment")
    return str(folder)
