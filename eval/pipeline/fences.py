"""The fenced blocks of an answer, as models write fences: after words, glued to code, never opened or never closed.

Fences inside a program's own strings are text. Not covered: blocks quoted with ">".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from eval.pipeline.language import Language
from eval.pipeline.lua_text import Quoted
from eval.pipeline.prose import program_lines, without_sentences

_FENCE = re.compile(r"`{3,}|~{3,}")
_INFO = re.compile(r"[ \t]*([\w+.#-]*)([^\n]*)")
# A fence with one of these, or with a language's own label, begins a block.
_LABELS = ("diff", "patch", "text", "txt", "bash", "sh", "json", "ini", "conf", "toml", "yaml", "python")


@dataclass(frozen=True, slots=True)
class Block:
    """The text between two fences; one of the two may be missing. ``label`` is in lower case, "" without one."""

    label: str
    text: str
    is_opened: bool = True
    is_closed: bool = True


@dataclass(frozen=True, slots=True)
class _Fence:
    """A run of backticks or tildes in a text.

    Attributes:
        label: the word after it; ``words`` whether more follow; ``is_language`` whether it is a language's label.
        starts_line: nothing but blanks stands before it on its line.
    """

    start: int
    end: int
    mark: str
    label: str
    words: bool
    is_language: bool
    starts_line: bool
    in_comment: bool

    @property
    def begins(self) -> bool:
        """Whether it can only open a block."""
        return self.is_language and not self.words


def fenced_blocks(text: str, language: Language, wants_diff: bool) -> list[Block]:
    """Return the blocks of ``text`` in order.

    ``wants_diff``: whether a diff is looked for, which tells whether text before a lone fence is the answer.
    """
    fences = _fences(text, language)
    blocks: list[Block] = []
    number, behind = 0, 0
    while number < len(fences):
        fence, before = fences[number], text[behind : fences[number].start]
        after = text[_line_end(text, fence.end) : fences[number + 1].start if number + 1 < len(fences) else len(text)]
        if fence.in_comment and fence.words:
            number += 1
        elif _only_closes(fence, before, after, fences[number + 1 : number + 2], language, wants_diff):
            blocks.append(Block("", before if wants_diff else without_sentences(before, language), is_opened=False))
            number, behind = number + 1, _line_end(text, fence.end)
        else:
            end = _end_of(fences, number)
            blocks.append(_block(text, fence, end))
            number = fences.index(end, number) + (not end.begins) if end else len(fences)
            behind = end.end if end else len(text)
    return blocks


def _fences(text: str, language: Language) -> list[_Fence]:
    """Return the fences outside strings and long comments."""
    quoted, found = Quoted(text), []
    for match in _FENCE.finditer(text):
        info, kind = _INFO.match(text, match.end()), quoted.kind_at(match.start())
        assert info is not None  # it matches nothing too
        label, words = info[1].lower(), bool(info[2].strip())
        line_start = text.rfind("\n", 0, match.start()) + 1
        if kind in ("", "line"):
            is_language = label in (*_LABELS, *language.labels)
            starts_line = not text[line_start : match.start()].strip()
            found.append(_Fence(*match.span(), match[0], label, words, is_language, starts_line, kind == "line"))
    return found


def _only_closes(
    fence: _Fence, before: str, after: str, later: Sequence[_Fence], language: Language, wants_diff: bool
) -> bool:
    """Whether a fence closes what stands before it although nothing opened it: the program is there, not after it."""
    own, following = (program_lines(part, language, wants_diff) for part in (before, after))
    is_paired = bool(later) and not later[0].label
    return not fence.begins and own > 0 and (own > following or (own == following and not is_paired))


def _end_of(fences: Sequence[_Fence], number: int) -> _Fence | None:
    """Return the fence that ends the block which fence ``number`` opens: its closing one, or one that opens another."""
    opened = fences[number]
    # lazily: the end is near, and an answer may consist of fences
    later = (fence for fence in islice(fences, number + 1, None) if fence.mark.startswith(opened.mark))
    # a comment may speak of fences: only the last one can be glued to it
    return next((f for f in later if f.starts_line or not f.in_comment or f is fences[-1]), None)


def _block(text: str, opened: _Fence, end: _Fence | None) -> Block:
    stop = end.start if end else len(text)
    line_end = _line_end(text, opened.end)
    if line_end < stop:
        return Block(opened.label, text[line_end + 1 : stop], is_closed=end is not None and not end.begins)
    inline = text[opened.end : stop].strip()
    return Block(opened.label, inline[len(opened.label) :].strip()) if opened.is_language else Block("", inline)


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
