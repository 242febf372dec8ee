"""A programming language as extraction sees it: how its fences are labelled and how programs differ from prose."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """The language that a domain's programs are written in.

    Attributes:
        name: as displayed, such as "Lua"; ``labels[0]`` is written at a fence.
        labels: the words at an opening fence that mark a block of this language, in lower case.
        comment: what opens a comment up to the end of its line. A diff's removed line must not look like one.
        code_line: matches a line of text that can only be program text.
        file_header: matches the line that begins a file where an answer may be several; blocks that begin with it are
            one answer. None where an answer is one file.
    """

    name: str
    labels: tuple[str, ...]
    comment: str
    code_line: re.Pattern[str]
    file_header: re.Pattern[str] | None = None
