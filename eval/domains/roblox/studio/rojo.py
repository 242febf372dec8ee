"""A Rojo project as one program: its scripts as files of a place, each where ``default.project.json`` puts it.

Read are the tree's names and the ``$path`` of folders and scripts. Not there when it runs: models, meta files, and
packages that Wally has not installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from env.counts import counted
from env.refusal import Refusal
from eval.domains import Project
from eval.domains.roblox.items.file_blocks import MAX_FILES

PROJECT_FILE = "default.project.json"
_SCRIPTS = (".lua", ".luau")


def project_in(folder: Path, read: Callable[[Path], str]) -> Project | None:
    """Return the place of a Rojo project in ``folder``; None where there is none.

    Raises:
        Refusal: the project file is no JSON, its tree leads out of the folder, or it holds no or too many scripts.
    """
    file = folder / PROJECT_FILE
    if not file.is_file():
        return None
    try:
        tree = json.loads(read(file))["tree"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{file}: is no Rojo project ({error}).", 'It is JSON with a key "tree".') from None
    found = list(_scripts(tree, (), folder, file))
    sources = {"/".join(names): read(path) for names, path in found}
    if not sources:
        raise Refusal(f"{file}: its tree holds no script.", "Its $path keys name the folders with scripts.")
    if len(sources) > MAX_FILES:
        raise Refusal(
            f"{folder} has {counted(len(sources), 'script')}, at most {MAX_FILES} are one place.",
            "Give its folders instead.",
        )
    code = "".join(f"-- file: {name}\n{text.rstrip()}\n" for name, text in sources.items())
    return Project(str(folder), code, sources, remarks=_remarks(folder))


def _scripts(node: Any, names: tuple[str, ...], folder: Path, file: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield each script below a node of the tree, with the names from the service down to its file."""
    if not isinstance(node, dict):
        raise Refusal(f"{file}: {'/'.join(names) or 'tree'} is no object.", "Each name of the tree holds an object.")
    where = node.get("$path")
    if isinstance(where, str):
        path = folder / where
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Refusal(f'{file}: "$path": "{where}" leads out of {folder}.', "Give the folder that holds both.")
        yield from _of_path(path, names)
    for name, child in node.items():
        if not name.startswith("$"):
            yield from _scripts(child, (*names, name), folder, file)


def _of_path(path: Path, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield the scripts of a ``$path``: a file becomes the instance of that name, a folder one that holds its files."""
    if path.is_file() and path.suffix in _SCRIPTS:
        ending = path.name[path.name.index(".") :]
        yield (*names[:-1], f"{names[-1]}{ending}"), path
    elif path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.is_symlink() or entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _of_path(entry, (*names, entry.name))
            elif entry.suffix in _SCRIPTS:
                yield (*names, entry.name), entry


def _remarks(folder: Path) -> tuple[str, ...]:
    is_missing = (folder / "wally.toml").is_file() and not (folder / "Packages").is_dir()
    return (
        ("It runs without the packages of wally.toml: `wally install` puts them into Packages.",) if is_missing else ()
    )
