"""Debian's machine-readable copyright file (DEP-5): of the paragraphs that match a file the last one counts.

https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from eval.curation.licences.expressions import spdx_of

_WORDS = re.compile(r"\s+(and|or|with)\s+|,\s*(and)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Which files have which licence, as an SPDX expression, with who holds the copyright and the paragraph's line."""

    patterns: tuple[str, ...]
    licence: str
    holders: str
    line: int


def read_copyright(text: str) -> tuple[Paragraph, ...]:
    """Return the Files paragraphs of a copyright file in order; () where it is not of this format."""
    if not text.lstrip().lower().startswith("format:"):
        return ()
    return tuple(
        Paragraph(tuple(fields["files"].split()), expression_of(fields.get("license", "")), _holders(fields), line)
        for line, fields in _stanzas(text)
        if "files" in fields
    )


def paragraph_of(paragraphs: Sequence[Paragraph], file: str) -> Paragraph | None:
    """Return the last paragraph that matches a path of the source; None where none does."""
    return next((one for one in reversed(paragraphs) if any(_matches(pattern, file) for pattern in one.patterns)), None)


def expression_of(synopsis: str) -> str:
    """Return the first line of a License field as an SPDX expression: "GPL-2+ and Expat" as "... AND MIT"."""
    line = synopsis.split("\n")[0].strip()
    parts = [part for part in _WORDS.split(line) if part]
    words = [part.upper() if part.lower() in ("and", "or", "with") else spdx_of(part) for part in parts]
    return " ".join(words)


def _holders(fields: dict[str, str]) -> str:
    return "; ".join(line.strip() for line in fields.get("copyright", "").split("\n") if line.strip())


def _stanzas(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each stanza's first line and its fields by name in lower case."""
    fields: dict[str, str] = {}
    start, name = 0, ""
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if not line.strip():
            if fields:
                yield start, fields
            fields, name = {}, ""
        elif line[0] in " \t" and name:
            fields[name] += f"\n{line.strip()}"
        elif not line.startswith("#") and ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            start = start if fields else number
            fields[name] = value.strip()


def _matches(pattern: str, file: str) -> bool:
    return _glob(pattern).fullmatch(file) is not None


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    """DEP-5's wildcards: * matches any text, slashes and leading dots too; ? one sign."""
    signs = {"*": ".*", "?": "."}
    return re.compile("".join(signs.get(sign, re.escape(sign)) for sign in pattern), re.DOTALL)
