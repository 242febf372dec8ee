"""Which licence each file of a tree has: its own header, a package's copyright file, metadata, or the nearest LICENSE.

A header that names another licence than what lies beside the file is a contradiction: the file is named, and not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from eval.curation.licences.dep5 import Paragraph, expression_of, paragraph_of, read_copyright
from eval.curation.licences.expressions import spdx_of
from eval.curation.licences.texts import header_of, holders_in, is_licence_file, licence_in

_DEBIAN = re.compile(r"(?:^|/)usr/share/doc/[^/]+/copyright$|(?:^|/)debian/copyright$")
# Files that describe a package, with the key that names its licence.
_METADATA = {
    "mod.conf": re.compile(r"^\s*licen[sc]e\s*=\s*(.+?)\s*$", re.MULTILINE),
    "modpack.conf": re.compile(r"^\s*licen[sc]e\s*=\s*(.+?)\s*$", re.MULTILINE),
    "game.conf": re.compile(r"^\s*licen[sc]e\s*=\s*(.+?)\s*$", re.MULTILINE),
    "wally.toml": re.compile(r"^\s*licen[sc]e\s*=\s*[\"'](.+?)[\"']\s*$", re.MULTILINE),
}
_JSON_METADATA = ("package.json", ".cdb.json")
# Of a Debian package's path, which its copyright file does not know: usr/share/games/minetest/mods/NAME.
_SUFFIXES = 6


@dataclass(frozen=True, slots=True)
class Said:
    """A licence, where it was said ("path:line"), who holds the copyright, and why it cannot be relied on."""

    licence: str
    where: str
    holders: str = ""
    wrong: str = ""


@dataclass(slots=True)
class FileLicences:
    """What a tree says of its files' licences, by folder."""

    paragraphs: dict[str, tuple[Paragraph, ...]] = field(default_factory=dict)
    texts: dict[str, list[Said]] = field(default_factory=dict)

    def of(self, name: str, text: str, fallback: str) -> Said:
        """Return the licence of a file; ``fallback`` where nothing says one."""
        header, line = header_of(text)
        around = self._around(name)
        if not header:
            return around or Said(fallback, "the recipe" if fallback else "")
        own = Said(
            expression_of(header), f"{name}:{line}", "; ".join(holders_in(text)) or (around.holders if around else "")
        )
        if around is None or not around.licence or _agree(own.licence, around.licence):
            return own
        told = f"{name}:{line} says {own.licence}, {around.where} says {around.licence}"
        return Said(own.licence, own.where, own.holders, told)

    def _around(self, name: str) -> Said | None:
        for root, paragraphs in self.paragraphs.items():
            found = _of_package(paragraphs, name) if name.startswith(root) else None
            if found is not None:
                return Said(found.licence, f"the copyright file, line {found.line}", found.holders)
        for folder in (str(parent) for parent in PurePosixPath(name).parents):
            # code has one licence and media another: of several texts in a folder one is not chosen
            said = self.texts.get(folder, [])
            known = {one.licence for one in said if one.licence}
            if len(known) > 1:
                places = ", ".join(f"{one.where} says {one.licence}" for one in said if one.licence)
                return Said("", said[0].where, wrong=f"several licences: {places}")
            if said:
                return next((one for one in said if one.licence), said[0])
        return None


def _of_package(paragraphs: tuple[Paragraph, ...], name: str) -> Paragraph | None:
    """Return the last paragraph that matches any end of a path: a package installs its files elsewhere."""
    parts = PurePosixPath(name).parts
    ends = ["/".join(parts[start:]) for start in range(max(0, len(parts) - _SUFFIXES), len(parts))]
    found = [one for end in ends if (one := paragraph_of(paragraphs, end)) is not None]
    return max(found, key=lambda one: one.line, default=None)


def _agree(one: str, other: str) -> bool:
    """Whether two expressions name a licence in common; whether later versions count is not compared."""
    left, right = (set(re.findall(r"[A-Za-z][\w.+-]*", _plain(text))) - {"AND", "OR", "WITH"} for text in (one, other))
    return bool(left & right)


def _plain(expression: str) -> str:
    return re.sub(r"-(?:only|or-later)\b", "", expression)


def licences_of(texts: Mapping[str, str]) -> FileLicences:
    """Return what the files of a tree, by their paths, say of licences."""
    found = FileLicences()
    for name, text in texts.items():
        folder = str(PurePosixPath(name).parent)
        if _DEBIAN.search(name):
            if paragraphs := read_copyright(text):
                archive, bang, _ = name.rpartition("!/")
                found.paragraphs[f"{archive}{bang}"] = paragraphs
        else:
            found.texts.setdefault(folder, []).extend(_said_in(name, text))
    found.texts = {folder: said for folder, said in found.texts.items() if said}
    return found


def _said_in(name: str, text: str) -> Iterator[Said]:
    base = PurePosixPath(name).name
    if base in _METADATA and (match := _METADATA[base].search(text)):
        yield Said(expression_of(match[1]), f"{name}:{text.count(chr(10), 0, match.start(1)) + 1}")
    elif base in _JSON_METADATA and (licence := _json_licence(text)):
        yield Said(spdx_of(licence), name)
    elif is_licence_file(name):
        licence, share = licence_in(text)
        wrong = "" if licence else f"{name} is no licence text that is known (at most {share:.0%} of one)"
        yield Said(licence, f"{name}:1", "; ".join(holders_in(text)), wrong)


def _json_licence(text: str) -> str:
    try:
        values = json.loads(text)
    except ValueError:
        return ""
    licence = values.get("license") if isinstance(values, dict) else None
    return licence if isinstance(licence, str) else ""
