"""The words and signs of a Lua or Luau text without its comments: enough to compare programs, never for a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eval.pipeline.lua_text import quoted_spans

_WORD = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\.\.\.?=?|[=~<>!]=|[-+*/%^]=|//=?|::|->|\S")


def words(code: str) -> Iterator[str]:
    """Yield names, numbers, signs and whole strings in order; comments and white space are left out."""
    position = 0
    for span in quoted_spans(code):
        yield from _WORD.findall(code[position : span.start])
        if span.kind == "string":
            yield code[span.start : span.end]
        position = span.end
    yield from _WORD.findall(code[position:])


def distinct_lines(code: str) -> float:
    """Return the share of lines of program text that stand there once, 0 to 1; lines of closing words do not count.

    A program that repeats one line ten times has 0.1, an empty one 0.
    """
    lines = [line for text in code.splitlines() if (line := "".join(words(text))) and len(line) > len("end)}")]
    return len(set(lines)) / len(lines) if lines else 0.0
