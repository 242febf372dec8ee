"""Which files of the project a process opens, by Python's audit events, each written down before it is used.

A module counts by its source, also where its bytecode was read; a folder that was listed counts by the names in it; a
script handed to another process counts with every module of the project that it imports. Not covered: what a library
opens in compiled code (weights, which the model's own digest covers), and lines lost to a power failure.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from env.files import digest, read_lines, sha256_file
from env.refusal import Refusal

ABSENT = "absent"
# In place of a digest: the bytes were others at another time while the process, or an earlier one, worked.
CHANGED = "changed"
_LISTINGS = ("os.listdir", "os.scandir")
_NOT_CONTENT = (".md", ".pyc", ".tmp")


class OpenedFiles:
    """What this process, and those that worked before it on the same thing, opened of some folders of a project.

    Args:
        project: the folder that holds ``folders``.
        log: the file of JSON lines, appended to, in which each opened file is written down at once.
    """

    def __init__(self, project: Path, folders: Sequence[str], log: Path) -> None:
        self._project = project
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._log = log
        self._roots = {os.path.join(project, ""), os.path.join(os.path.realpath(project), "")}
        self._seen: set[str] = set()
        self._is_whole = True
        self._descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _drop_torn_line(self._descriptor)

    def watch(self) -> None:
        """Write down the modules that are loaded already, and from now on whatever is opened; it cannot be undone."""
        sys.addaudithook(self._on_event)
        for module in list(sys.modules.values()):
            self._note(getattr(module, "__file__", None))

    def digests(self) -> dict[str, str]:
        """Return name -> SHA-256 of everything opened until now; CHANGED where it did not stay the same.

        {} where a line could not be written: an incomplete list is not returned.
        """
        if not self._is_whole:
            return {}
        os.fsync(self._descriptor)  # a report that is durable must not rest on lines that are not
        found: dict[str, set[str]] = {}
        for line in read_lines(self._log):
            entry = json.loads(line)
            found.setdefault(entry["name"], set()).add(entry["sha256"])
        present = {name: content_digest(self._project, name) for name in sorted(found)}
        return {name: sha256 if found[name] == {sha256} else CHANGED for name, sha256 in present.items()}

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._note(arguments[0])
        elif event in _LISTINGS:
            # an import lists folders to find a module in them, and reads nothing of what else is there
            if not sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):
                self._note(arguments[0], "/")
        elif event == "subprocess.Popen":
            for name in self._programs(arguments[1]):
                self._write(name)

    def _note(self, path: Any, ending: str = "") -> None:
        """Record ``path`` if it is in one of the folders; ``ending`` marks a folder's listing."""
        if isinstance(path, int) or path is None:
            return
        full = os.path.abspath(os.fsdecode(path))
        root = next((root for root in self._roots if full.startswith(root)), None)
        if root is not None:
            self._write(_source_name(full.removeprefix(root)) + ending)

    def _programs(self, arguments: Any) -> list[str]:
        try:
            return programs_of(self._project, arguments)
        except (SyntaxError, ValueError):
            self._is_whole = False
            return []

    def _write(self, name: str) -> None:
        if name in self._seen or not name.startswith(self._folders):
            return
        self._seen.add(name)
        line = json.dumps({"name": name, "sha256": content_digest(self._project, name)}).encode() + b"\n"
        try:
            self._is_whole &= os.write(self._descriptor, line) == len(line)
        except OSError:
            self._is_whole = False


def _drop_torn_line(descriptor: int) -> None:
    """Cut off what a process that died in a write left of its last line, so that the next one begins a line."""
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    if content and not content.endswith(b"\n"):
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)


def content_digest(project: Path, name: str) -> str:
    """Return the SHA-256 of the file ``name`` in ``project``, or for "folder/" one over the names in it.

    What cannot be read is ABSENT, as it was for whoever tried to open it.
    """
    path = project / name
    try:
        if not path.is_dir():
            return sha256_file(path)
        return digest(sorted(entry.name for entry in path.iterdir() if _is_content(entry.name)))
    except (OSError, Refusal):
        return ABSENT


def differences(project: Path, recorded: Mapping[str, str]) -> list[str]:
    """Return the names in ``recorded`` whose content in ``project`` differs now, or changed in between."""
    return [name for name, sha256 in recorded.items() if content_digest(project, name) != sha256]


def programs_of(project: Path, arguments: Any) -> list[str]:
    """Return the project's modules that a process with these ``arguments`` runs: its script or ``-m``, and imports."""
    words = [os.fsdecode(word) for word in arguments] if isinstance(arguments, (list, tuple)) else []
    scripts = [Path(word) for word in words if word.endswith(".py") and Path(word).is_relative_to(project)]
    if "-m" in words[:-1]:
        scripts += _module_files(project, words[words.index("-m") + 1])
    return [path.relative_to(project).as_posix() for path in imported_files(project, scripts)]


def imported_files(project: Path, scripts: Iterable[Path]) -> list[Path]:
    """Return ``scripts`` and every module file of ``project`` that they import, directly or not, sorted."""
    found: set[Path] = set()
    waiting = [script for script in scripts if script.is_file()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += direct_imports(project, path)
    return sorted(found)


def direct_imports(project: Path, path: Path) -> list[Path]:
    """Return the module files of ``project`` that the module ``path`` itself imports."""
    modules = dict.fromkeys(_imports(ast.parse(path.read_bytes())))
    return [file for module in modules for file in _module_files(project, module)]


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_files(project: Path, module: str) -> list[Path]:
    """Return the files that importing ``module`` runs: its own and those of the packages around it."""
    parts = module.split(".")
    packages = [project.joinpath(*parts[:count], "__init__.py") for count in range(1, len(parts) + 1)]
    own = [project.joinpath(*parts).with_suffix(".py"), project.joinpath(*parts, "__main__.py")]
    return [path for path in [*packages, *own] if path.is_file()]


def _source_name(name: str) -> str:
    """Return the posix name of an opened file; of bytecode, that of its source."""
    path = PurePath(name)
    if path.parent.name == "__pycache__":
        path = path.parent.parent / f"{path.name.partition('.')[0]}.py"
    return path.as_posix()


def _is_content(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__" and not name.endswith(_NOT_CONTENT)
