"""Which licence a text is: two-sided, since the text of one holds most of another's (GPL-2 holds .78 of GPL-1).

The texts compared with are those of the package identify. A licence's name alone decides nothing.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from eval.overlap.ngrams import Hashes, Vocabulary, ngram_hashes, normalise

LEAST_SHARE = 0.95
_GRAM = 3
_COPYRIGHT = re.compile(
    r"^.*(?:\bcopyright\b.{0,12}(?:\d{4}|\(c\)|©)|\(c\)\s*\d{4}|©).*$", re.IGNORECASE | re.MULTILINE
)
_HEADER = re.compile(r"SPDX-License-Identifier:\s*([^\n*]+?)\s*(?:\*/|-->|\]\])?\s*$", re.MULTILINE)
_HEADER_LINES = 40
# A title such as "The MIT License (MIT)", which is no part of the text.
_TITLE = re.compile(r"\A\s*(?:the\s+)?[^\n]{0,60}\blicen[sc]e\b[^\n]{0,40}\n", re.IGNORECASE)
NAMES = ("license", "licence", "copying", "unlicense")


def is_licence_file(name: str) -> bool:
    """Whether a file's name says that it is a licence's text: LICENSE, LICENSE.txt, COPYING.LESSER."""
    return name.rpartition("/")[2].lower().startswith(NAMES) and not name.lower().endswith((".lua", ".luau"))


def header_of(text: str) -> tuple[str, int]:
    """Return the expression of a file's SPDX header and its line; ("", 0) without one in the first 40 lines."""
    head = "\n".join(text.split("\n")[:_HEADER_LINES])
    found = _HEADER.search(head)
    return (found[1].strip(), head.count("\n", 0, found.start()) + 1) if found else ("", 0)


def licence_in(text: str) -> tuple[str, float]:
    """Return the SPDX id of the licence that ``text`` is, and how alike they are, 0 to 1; "" below 0.95.

    How alike is the smaller of two shares: of the text that the licence holds, and of the licence that the text holds.
    """
    vocabulary, known = _known()
    own = _grams(vocabulary, text)
    best, share = "", 0.0
    for name, grams in known:
        shared = len(np.intersect1d(own, grams, assume_unique=True))
        alike = min(shared / len(own), shared / len(grams)) if len(own) else 0.0
        if alike > share:
            best, share = name, alike
    return (best if share >= LEAST_SHARE else ""), share


def holders_in(text: str) -> tuple[str, ...]:
    """Return the copyright lines of a text, in order, each once."""
    lines = (" ".join(line[0].strip(" \t-*#/").split()) for line in _COPYRIGHT.finditer(text))
    return tuple(dict.fromkeys(line for line in lines if 8 < len(line) < 200))


@cache
def _known() -> tuple[Vocabulary, tuple[tuple[str, Hashes], ...]]:
    from identify.vendor.licenses import LICENSES

    vocabulary = Vocabulary()
    return vocabulary, tuple((name, _grams(vocabulary, text)) for name, text in LICENSES)


def _grams(vocabulary: Vocabulary, text: str) -> Hashes:
    body = _TITLE.sub("", _COPYRIGHT.sub("", text))
    return np.unique(ngram_hashes(vocabulary.encode(normalise(body)), _GRAM))
