"""How a mod treats its variables, from its words alone: locals that nothing reads, globals that it writes.

Not covered: a name that is local in one function and global in another counts as local.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from eval.pipeline.scoring.words import words

# More words than the parameters of any real function.
_LONGEST_LIST = 64
_OPENING = frozenset({"{", "(", "[", "function", "if", "do", "repeat"})
_CLOSING = frozenset({"}", ")", "]", "end", "until"})
_NO_STATEMENT = frozenset({".", ":", ",", "local", "function", "for", "in"})
_LIST_ENDS = frozenset({")", "in", "="})


@dataclass(frozen=True, slots=True)
class Habits:
    """The variables of a program: ``locals`` it declares, ``unread`` of them, ``globals`` beyond a table of its own."""

    locals: tuple[str, ...]
    unread: tuple[str, ...]
    globals: tuple[str, ...]


def read_habits(code: str) -> Habits:
    """Return the habits of a program."""
    text = ["", *words(code)]
    mentioned = Counter(word for before, word in pairwise(text) if _is_name(word) and before not in (".", ":"))
    starts = [at + 1 for at, word in enumerate(text) if word == "local"]
    declared = [name for at in starts for name in _declared(text[at : at + _LONGEST_LIST])]
    counts = Counter(declared)
    unread = [name for name in declared if not name.startswith("_") and mentioned[name] <= counts[name]]
    known = {*declared, *_parameters(text)}
    written = [name for name in dict.fromkeys(_written(text)) if name not in known]
    return Habits(tuple(declared), tuple(unread), tuple(written[_own_tables(text, written) :]))


def _is_name(word: str) -> bool:
    return word[:1].isalpha() or word[:1] == "_"


def _declared(text: Sequence[str]) -> list[str]:
    """Return the names behind a ``local``: one of a function, or those between commas."""
    if text[:1] == ["function"]:
        return list(text[1:2])
    listed = takewhile(lambda word: word == "," or _is_name(word), text)
    return [name for before, name in pairwise([",", *listed]) if before == ","]


def _parameters(text: Sequence[str]) -> Iterator[str]:
    """Yield every name in the brackets behind ``function``, and those between ``for`` and ``in`` or ``=``."""
    for at, word in enumerate(text):
        if word in ("function", "for"):
            listed = list(takewhile(lambda name: name not in _LIST_ENDS, text[at + 1 : at + _LONGEST_LIST]))
            yield from listed[listed.index("(") :] if "(" in listed else listed


def _written(text: Sequence[str]) -> Iterator[str]:
    """Yield every name that a statement assigns or declares as a function, outside the braces of a table."""
    opened: list[str] = []
    for at in range(1, len(text) - 1):
        before, word, following = text[at - 1], text[at], text[at + 1]
        if word in _OPENING:
            opened.append(word)
        elif word in _CLOSING and opened:
            opened.pop()
        if not _is_name(word):
            continue
        is_statement = before not in _NO_STATEMENT and opened[-1:] not in (["{"], ["("])
        is_function = before == "function" and following == "(" and text[at - 2] != "local"
        if is_function or (is_statement and following == "="):
            yield word


def _own_tables(text: Sequence[str], written: Sequence[str]) -> int:
    """Return 1 where the first global is a table: a mod's own, by custom; else 0."""
    return int(bool(written) and any(text[at : at + 3] == [written[0], "=", "{"] for at in range(len(text))))
