"""Answers of several files: blocks that each begin with ``-- file: path``, as files by path.

A path runs from a service to the file, with its kind in its name as Rojo writes it: ``Main.server.luau`` is a Script,
``Hud.client.luau`` a LocalScript, ``Config.luau`` a ModuleScript; ``init.luau`` is its folder itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_FILES = 64
# The path is what is left of the group without the white space around it: a pattern that leaves it out takes time that
# grows with the square of a line's spaces.
HEADER = re.compile(r"^[ \t]*--[ \t]*file:([^\n]*)$", re.MULTILINE | re.IGNORECASE)
_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]*(?:\.[A-Za-z0-9_-]+)*")
_KINDS = {
    ".server.luau": "Script",
    ".server.lua": "Script",
    ".client.luau": "LocalScript",
    ".client.lua": "LocalScript",
    ".luau": "ModuleScript",
    ".lua": "ModuleScript",
}


class NoFiles(ValueError):
    """The answer is no set of files; the message names every reason."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes: its class, and the names from the service down to the instance."""

    class_name: str
    names: tuple[str, ...]


def read_files(text: str) -> dict[str, str]:
    """Return path to source, in the order of the answer.

    Raises:
        NoFiles: no header, text before the first one, a path twice, an empty file, or a path that leads elsewhere.
    """
    headers = list(HEADER.finditer(text))
    if not headers:
        raise NoFiles("no file begins with a line `-- file: path`")
    files: dict[str, str] = {}
    problems = (
        ["there is program text before the first `-- file: path`"] if _is_code(text[: headers[0].start()]) else []
    )
    if len(headers) > MAX_FILES:
        problems.append(f"{len(headers)} files, at most {MAX_FILES} are read")
    ends = [header.start() for header in headers[1:]] + [len(text)]
    for header, end in zip(headers, ends, strict=True):
        path, source = header[1].strip("`'\" \t\r"), text[header.end() : end].strip("\r\n")
        wrong = _path_problem(path, files) or ("" if source.strip() else f"{path}: is empty")
        problems += [wrong] if wrong else []
        files[path] = f"{source}\n"
    if problems:
        raise NoFiles("; ".join(problems))
    return files


def _is_code(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("--") for line in text.splitlines())


def _path_problem(path: str, known: dict[str, str]) -> str:
    """Return what is wrong with a path; "" where nothing is."""
    if not path:
        return "a `-- file:` line names no path"
    if path.lower() in {other.lower() for other in known}:
        return f"{path}: stands there twice"
    parts = path.split("/")
    if ".." in parts or path.startswith(("/", "~")) or "\\" in path or ":" in path:
        return f"{path}: leads out of the place"
    if not all(_PART.fullmatch(part) for part in parts):
        return f"{path}: is no path of names"
    if _suffix(parts[-1]) is None:
        return f"{path}: ends in neither .server.luau, .client.luau nor .luau"
    return f"{path}: lies in no service" if len(parts) < 2 else ""


def _suffix(name: str) -> str | None:
    return next((suffix for suffix in _KINDS if name.lower().endswith(suffix)), None)


def place_of(path: str) -> Place:
    """Return where a file of ``read_files`` goes."""
    *folders, name = path.split("/")
    suffix = _suffix(name) or ""
    stem = name[: len(name) - len(suffix)]
    names = tuple(folders) if stem == "init" else (*folders, stem)
    return Place(_KINDS[suffix], names)
