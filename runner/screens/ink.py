"""How a line reaches a stream: styled, wrapped to its width, in colour, plain or ASCII, as the stream supports."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TextIO

from env.installed.invocation import as_started

# What a style means, and its ANSI code. Red is reserved for a crash, yellow for a gate that said no, bright blue for a
# decision that is neither yes nor no. A "command" is never broken, and shares no broken line with other words.
STYLES = {
    "good": "32", "crash": "1;31", "no": "33", "live": "36", "odd": "35", "unsure": "94", "dim": "2", "bold": "1",
    "command": "1",
}  # fmt: skip
# The replacement of every symbol where the stream's encoding lacks it; marks stay one column wide.
ASCII_SIGNS = {
    "✓": "+", "▶": ">", "·": "-", "✗": "x", "≈": "~", "‖": "=", "◆": "#", "×": "x", "→": "->", "±": "+/-", "≥": ">=",
    "≤": "<=", "–": "-", "—": "-", "−": "-", "…": "...", "“": '"', "”": '"', "Δ": "d", "█": "#", "░": ".",
    "●": "o", "━": "=", "─": "-", "│": "|",
    "▁": "_", "▂": ".", "▃": ":", "▄": "-", "▅": "=", "▆": "+", "▇": "*",
}  # fmt: skip
_PROBE = "".join(ASCII_SIGNS)
_ASCII = str.maketrans(ASCII_SIGNS | {"\u00a0": " "})

# A closed pipe, a lost terminal, a full disk behind a redirection: no reason to end an experiment.
_READER_GONE = frozenset({errno.EPIPE, errno.EIO, errno.ENOSPC})
NO_BREAK = "\u00a0"
# Text between backquotes is one word.
_WORD = re.compile(r"[^ `]*`[^`]*`[^ `]*| +|[^ ]+")
_UNIT = re.compile(r"(pp|min|MB|GB)\b|±|\+/-")

Span = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a screen: (text, style) spans.

    Where it is too long it continues, ``hang`` columns from the left; with ``cut`` it ends in '…' instead.
    """

    spans: tuple[Span, ...] = ()
    hang: int = 0
    cut: bool = False

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join(text for text, _ in self.spans)


def line(*parts: str | Span, hang: int = 0, cut: bool = False) -> Line:
    """Return a line of unstyled texts and (text, style) spans."""
    return Line(tuple((part, "") if isinstance(part, str) else part for part in parts), hang, cut)


@dataclass(frozen=True, slots=True)
class Paper:
    """What a stream can show: columns (None: unlimited), colour, and whether its encoding has our symbols."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True
    encoding: str = field(default="utf-8")


def paper_of(stream: TextIO) -> Paper:
    """Return what ``stream`` can show. NO_COLOR and TERM=dumb switch colour off; a pipe has no width."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    on_terminal = is_terminal(stream)
    colour = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = max(40, shutil.get_terminal_size((80, 24)).columns) if on_terminal else None
    return Paper(width, colour, knows_signs(encoding), encoding)


def is_terminal(stream: TextIO) -> bool:
    """Whether this stream is a terminal."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def knows_signs(encoding: str) -> bool:
    """Whether an encoding has every symbol our screens use."""
    try:
        _PROBE.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def write_lines(stream: TextIO | None, lines: Iterable[Line], paper: Paper | None = None) -> None:
    """Write lines and flush, so that a terminal or a pipe shows them now.

    A reader that went away (a closed pipe, a lost terminal, a full disk) must not end an experiment: what follows is
    dropped. ``stream`` is None where the process was started without one.
    """
    if stream is not None:
        write_text(stream, "".join(f"{text}\n" for text in rendered(lines, paper or paper_of(stream))))


def write_text(stream: TextIO, text: str) -> None:
    """Write rendered text and flush; a reader that went away is no error (see ``write_lines``)."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        if error.errno not in _READER_GONE:
            raise
        drop_what_follows(stream)


def drop_what_follows(stream: TextIO) -> None:
    """Let a stream that cannot be written lead nowhere, so that flushing it at the end fails no more."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def rendered(lines: Iterable[Line], paper: Paper) -> Iterator[str]:
    """Yield what is written for each line, wrapped and styled for ``paper``."""
    for item in lines:
        for wrapped in wrap(_safe_line(item, paper), paper.width):
            inked = "".join(_inked(text, style, paper) for text, style in _merged(wrapped.spans))
            yield inked.replace(NO_BREAK, " ").rstrip()


def columns(text: str) -> int:
    """Return how many terminal columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(sign) for sign in text)


def pad(text: str, width: int) -> str:
    """Return ``text`` filled with spaces to ``width`` columns."""
    return text + " " * max(0, width - columns(text))


def printable(text: str) -> str:
    """Return an untrusted text as one line that cannot control a terminal: white space as spaces, controls as '?'."""
    return "".join(sign if sign.isprintable() or sign == NO_BREAK else " " if sign.isspace() else "?" for sign in text)


def foreign_lines(text: str, paper: Paper) -> list[str]:
    """Return an untrusted text's lines, tabs as four spaces, every character that could control a terminal visible.

    An escape becomes "\\x1b", a character that reorders text "\\u202e"; what the encoding lacks becomes "?".
    """
    shown = "".join(sign if sign.isprintable() or sign == "\n" else _named(sign) for sign in text.expandtabs(4))
    return [_fitting(row, paper) for row in shown.split("\n")]


def _named(sign: str) -> str:
    return "" if sign == "\r" else f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"


def wrap(item: Line, width: int | None) -> list[Line]:
    """Break a line at spaces to ``width`` columns; a longer word is not broken, so that it can be copied.

    A command is not broken either, and has its own line.
    """
    if width is None or columns(item.text) <= width:
        return [item]
    if item.cut:
        return [_cut(item, width)]
    lines: list[Line] = []
    current: list[Span] = []
    used, indent = 0, min(item.hang, width * 2 // 3)
    after_command = False
    for word, style in _glued(list(_words(item.spans))):
        taken, is_command = columns(word), _is_command(word, style)
        stays = word.isspace() or used <= indent or (is_command and _is_label(current))
        if not stays and (is_command or after_command or used + taken > width):
            lines.append(_without_end(current))
            current, used = [(" " * indent, "")], indent
        if word.isspace() and (after_command or (lines and used == indent)):
            continue
        current.append((word, style))
        used, after_command = used + taken, is_command
    return [*lines, _without_end(current)]


def _is_command(word: str, style: str) -> bool:
    """Whether a word is a command of several words, which must be copied whole."""
    return style == "command" or (" " in word and "`" in word)


def _is_label(spans: Sequence[Span]) -> bool:
    """Whether a line so far is only what introduces a command, such as '   next:  '."""
    return "".join(text for text, _ in spans).rstrip().endswith(":")


def _without_end(spans: list[Span]) -> Line:
    """Return a line without the spaces at its end."""
    while spans and spans[-1][0].isspace():
        spans = spans[:-1]
    return Line(tuple(spans))


def _merged(spans: Sequence[Span]) -> Iterator[Span]:
    """Yield spans with neighbours of one style joined, so that a wrapped line has no code per word."""
    for style, group in groupby(spans, key=lambda span: span[1]):
        yield "".join(text for text, _ in group), style


def _words(spans: Sequence[Span]) -> Iterator[Span]:
    for text, style in spans:
        if style == "command":
            yield text, style
        else:
            yield from ((word, style) for word in _WORD.findall(text))


def _cut(item: Line, width: int) -> Line:
    ellipsis = "..." if item.text.isascii() else "…"
    kept: list[Span] = []
    left = width - len(ellipsis)
    for text, style in item.spans:
        kept.append((text[:left], style))
        left -= min(left, columns(text))
    return Line((*kept, (ellipsis, "")))


def _glued(words: list[Span]) -> list[Span]:
    """Join a number with its unit and its error, which no line break should part."""
    joined: list[Span] = []
    for text, style in words:
        ends = joined[-1][0] if joined else ""
        unit = _UNIT.match(text) is not None
        if len(joined) > 1 and ends == " " and (unit or joined[-2][0].endswith(("±", "+/-"))):
            before = joined[-2:]
            joined[-2:] = [(before[0][0] + " " + text, style)]
        else:
            joined.append((text, style))
    return joined


def _safe_line(item: Line, paper: Paper) -> Line:
    spans = ((as_started(printable(text)), style) for text, style in item.spans)
    return Line(tuple((_fitting(text, paper), style) for text, style in spans), item.hang, item.cut)


def _fitting(text: str, paper: Paper) -> str:
    if paper.unicode and paper.encoding.lower().startswith("utf"):
        return text
    plain = text if paper.unicode else text.translate(_ASCII)
    try:
        return plain.encode(paper.encoding, "replace").decode(paper.encoding)
    except LookupError:
        return plain.encode("ascii", "replace").decode("ascii")


def _inked(text: str, style: str, paper: Paper) -> str:
    if not (paper.colour and style and text.strip()):
        return text
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def _columns_of(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
