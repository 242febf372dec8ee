"""A dump of ContentDB's packages (``/api/packages/?fmt=vcs``), with the mods of it that lie beside, by author and name.

The dump says licence and repository of each package; ``AUTHOR/NAME`` below the dump's folder, a folder or an archive,
holds its code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from eval.curation.licences.expressions import spdx_of
from eval.curation.recipe import Source, Templates
from eval.curation.sources.found import Found, nothing_at
from eval.curation.sources.lua_code import rows_of
from eval.curation.sources.trees import NotRead, TreeFile, read_tree
from eval.domains import Domain

_KEYS = ("author", "name", "license", "type")
_CODE_TYPES = ("mod", "game")
_ARCHIVES = (".zip", ".tar.gz", ".tar.xz")


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield the rows of the packages in the order of the dump; those whose code is not there are named.

    Raises:
        Refusal: the dump is no list of packages.
    """
    path = Path(source.path)
    for number, package in enumerate(_packages(name, path), start=1):
        place = f"{package['author']}/{package['name']}"
        if package["type"] not in _CODE_TYPES:
            yield nothing_at(name, path.name, number, f"a package of type {package['type']}", place)
            continue
        code = _code_of(path.parent, place)
        if code is None:
            yield nothing_at(
                name, path.name, number, "its code is not there", f"{place}: {package.get('repo') or 'no repository'}"
            )
            continue
        own = replace(source, licence=spdx_of(str(package["license"])) or source.licence)
        yield from rows_of((_below(place, member) for member in read_tree(code)), name, own, templates)


def _packages(name: str, path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            f"sources.{name}.path: {path}: is no JSON ({error}).", "Save the answer of the API as it is."
        ) from None
    found = data.get("items") if isinstance(data, dict) else data
    if not isinstance(found, list) or not all(isinstance(one, dict) and set(_KEYS) <= one.keys() for one in found):
        raise Refusal(
            f"sources.{name}.path: {path}: is no list of packages with {', '.join(_KEYS)}.",
            "Save the answer of /api/packages/?fmt=vcs of a ContentDB as it is.",
        )
    for one in found:
        if any(part in (".", "..") or "/" in part for part in (str(one["author"]), str(one["name"]))):
            raise Refusal(f"{path}: the package {one['author']}/{one['name']} leaves its folder.", "Take it out.")
    return found


def _code_of(folder: Path, place: str) -> Path | None:
    candidates = [folder / place, *(folder / f"{place}{ending}" for ending in _ARCHIVES)]
    return next((one for one in candidates if one.exists() and not one.is_symlink()), None)


def _below(place: str, member: TreeFile | NotRead) -> TreeFile | NotRead:
    return replace(member, name=f"{place}/{member.name}")
