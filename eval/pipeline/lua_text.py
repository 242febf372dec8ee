"""Where a text holds Lua strings and comments: read by characters alone, so that it also reads text around a program.

A short string ends on its line, a long one where its bracket closes; what never closes is no string. Prose may hold a
pair of apostrophes that reads like a string: callers use this to leave text alone, never to judge it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"""
      (?P<comment>--(?:\[(?P<comment_level>=*)\[.*?\](?P=comment_level)\]|[^\n]*))
    | (?P<string>\[(?P<level>=*)\[.*?\](?P=level)\]
        | "(?:\\(?:\r\n|.)|[^"\\\n])*" | '(?:\\(?:\r\n|.)|[^'\\\n])*')
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A string or a comment of a text: where it starts and ends, delimiters included."""

    start: int
    end: int
    kind: Literal["string", "comment"]


def quoted_spans(text: str) -> Iterator[Span]:
    """Yield the strings and comments of ``text`` in order; they do not overlap."""
    for match in _TOKEN.finditer(text):
        yield Span(match.start(), match.end(), "comment" if match["comment"] else "string")


def without_comments(code: str) -> str:
    """Return ``code`` with a blank in place of each comment."""
    parts, position = [], 0
    for span in quoted_spans(code):
        if span.kind == "comment":
            parts += [code[position : span.start], " "]
            position = span.end
    return "".join([*parts, code[position:]])
