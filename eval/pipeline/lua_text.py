"""Where a text holds Lua strings and comments: read by characters alone, so that it also reads text around a program.

A short string ends on its line, a long one where its bracket closes; what never closes is no string. Luau's backtick
strings count, and with them a word that prose sets in backticks. Prose may hold a pair of apostrophes that reads like a
string: callers use this to leave text unchanged, never for a verdict.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_OPENING = re.compile(r"--\[(=*)\[|--|\[(=*)\[|[\"']|(?<!`)`(?!`)")
_SHORT = {quote: re.compile(rf"{quote}(?:\\(?:\r\n|.)|[^{quote}\\\n])*{quote}", re.DOTALL) for quote in ('"', "'", "`")}


@dataclass(frozen=True, slots=True)
class Span:
    """A string, a comment to the end of its line, or a long ("block") comment; delimiters included."""

    start: int
    end: int
    kind: Literal["string", "line", "block"]


def quoted_spans(text: str) -> Iterator[Span]:
    """Yield the strings and comments of ``text`` in order; they do not overlap."""
    position = 0
    unclosed: set[str] = set()  # closing brackets that do not come any more: looked for once
    while opening := _OPENING.search(text, position):
        span = _span(text, opening, unclosed)
        if span is not None:
            yield span
        position = span.end if span is not None else opening.start() + 1


def _span(text: str, opening: re.Match[str], unclosed: set[str]) -> Span | None:
    start, mark = opening.start(), opening[0]
    if mark in _SHORT:
        short = _SHORT[mark].match(text, start)
        return Span(start, short.end(), "string") if short else None
    if mark.endswith("["):
        closing = f"]{'=' * mark.count('=')}]"
        end = -1 if closing in unclosed else text.find(closing, opening.end())
        if end >= 0:
            return Span(start, end + len(closing), "block" if mark.startswith("--") else "string")
        unclosed.add(closing)
    if not mark.startswith("--"):
        return None
    line_end = text.find("\n", start)
    return Span(start, len(text) if line_end < 0 else line_end, "line")


def without_comments(code: str) -> str:
    """Return ``code`` with a blank in place of each comment."""
    parts, position = [], 0
    for span in quoted_spans(code):
        if span.kind != "string":
            parts += [code[position : span.start], " "]
            position = span.end
    return "".join([*parts, code[position:]])


class Quoted:
    """The strings and comments of one text, by position."""

    def __init__(self, text: str) -> None:
        self._spans = list(quoted_spans(text))
        self._starts = [span.start for span in self._spans]

    def kind_at(self, position: int) -> str:
        """Return the kind of the span that ``position`` lies in; "" outside of all."""
        before = bisect_right(self._starts, position) - 1
        return self._spans[before].kind if before >= 0 and position < self._spans[before].end else ""
