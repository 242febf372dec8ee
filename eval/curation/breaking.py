"""Small ways to break a program, as text: whether one really breaks, only execution says."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eval.pipeline.lua_text import Quoted

_WORD = re.compile(r"[A-Za-z_]\w*")
_CALLED = re.compile(r"\b\w+[.:](\w{4,})\s*(?=[({\"'])")
_LOCAL = re.compile(r"\blocal\s+(\w{3,})\s*=")


@dataclass(frozen=True, slots=True)
class Broken:
    """A program with one place changed, and how in words."""

    program: str
    how: str


def broken_variants(program: str, count: int, seed: str) -> tuple[Broken, ...]:
    """Return at most ``count`` distinct variants, of as many kinds as there are; the same for the same ``seed``."""
    stream = random.Random(seed)
    pools = [list(way(program)) for way in _WAYS]
    for pool in pools:
        stream.shuffle(pool)
    stream.shuffle(pools)
    turns = [pool[turn] for turn in range(count) for pool in pools if turn < len(pool)]
    return tuple({broken.program: broken for broken in turns[:count]}.values())


def _ends(program: str) -> Iterator[Broken]:
    """A block that is not closed."""
    quoted = Quoted(program)
    for found in re.finditer(r"^[ \t]*end[ \t]*$\n?", program, re.MULTILINE):
        if not quoted.kind_at(found.start()):
            yield Broken(program[: found.start()] + program[found.end() :], "a block's end is missing")


def _commas(program: str) -> Iterator[Broken]:
    """Two fields of a table without a comma between them."""
    quoted = Quoted(program)
    for found in re.finditer(r",(?=[ \t]*\n[ \t]*[\w\[\"'{])", program):
        if not quoted.kind_at(found.start()):
            yield Broken(program[: found.start()] + program[found.end() :], "a comma between two fields is missing")


def _closings(program: str) -> Iterator[Broken]:
    """A bracket that is not closed."""
    quoted = Quoted(program)
    for found in re.finditer(r"[)}](?=[ \t]*(?:\n|\Z))", program):
        if not quoted.kind_at(found.start()):
            yield Broken(program[: found.start()] + program[found.end() :], f"a closing {found[0]} is missing")


def _names(program: str) -> Iterator[Broken]:
    """A function that is called by a name nearly its own."""
    quoted = Quoted(program)
    for found in _CALLED.finditer(program):
        name = found[1]
        if not quoted.kind_at(found.start()):
            swapped = name[:-2] + name[-1] + name[-2]
            wrong = swapped if swapped != name else f"{name}s"
            text = program[: found.start(1)] + wrong + program[found.end(1) :]
            yield Broken(text, f"{name} is misspelt as {wrong}")


def _locals(program: str) -> Iterator[Broken]:
    """A variable that is declared by another name than it is used by."""
    quoted = Quoted(program)
    for found in _LOCAL.finditer(program):
        name = found[1]
        uses = [use for use in _WORD.finditer(program) if use[0] == name and not quoted.kind_at(use.start())]
        if not quoted.kind_at(found.start()) and len(uses) > 1:
            yield Broken(
                program[: found.start(1)] + f"{name}_value" + program[found.end(1) :], f"{name} is never declared"
            )


_WAYS: tuple[Callable[[str], Iterator[Broken]], ...] = (_ends, _commas, _closings, _names, _locals)
