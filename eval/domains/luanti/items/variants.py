"""Wrong answers made from a right one: a value that prompt and reference share is another one, everything else stays.

What the checks do not notice of them, nobody would notice in a model's answer. Values that only the reference knows are
left alone: another right answer has others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.domains import Variant
from eval.domains.luanti.items import stated
from eval.domains.luanti.items.demands import PromptText
from eval.pipeline.lua_text import quoted_spans

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
_BEFORE_NAME = re.compile(r"\bregister_\w+\s*\(?\s*\Z")
# a texture's, sound's or model's name before its ending; anything else is changed at its end
_STEM = re.compile(r"(?s)(.*?)(\.(?:png|jpg|ogg|obj|b3d|x|gltf|glb))?\Z")


def changed_values(prompt: PromptText, program: str) -> Iterator[Variant]:
    """Yield the variants of ``program``, one for each value that it shares with ``prompt``, in order of appearance."""
    seen: set[str] = set()
    for literal in _literals(program):
        other = _other(prompt, literal)
        if other is not None and literal.text not in seen:
            seen.add(literal.text)
            places = [place for place in _literals(program) if place.text == literal.text]
            yield Variant(_replaced(program, places, other), f"{literal.text} is {other}")


@dataclass(frozen=True, slots=True)
class _Literal:
    """A string with its quotes, or a number, and where it stands; ``names`` whether it names what is registered."""

    start: int
    text: str
    names: bool = False


def _literals(program: str) -> list[_Literal]:
    """Return the short strings and the numbers of ``program`` outside comments, in order."""
    found: list[_Literal] = []
    position = 0
    for span in quoted_spans(program):
        found += _numbers(program, position, span.start)
        if span.kind == "string" and program[span.start] in "'\"":
            names = bool(_BEFORE_NAME.search(program, 0, span.start))
            found.append(_Literal(span.start, program[span.start : span.end], names))
        position = span.end
    return [*found, *_numbers(program, position, len(program))]


def _numbers(program: str, start: int, end: int) -> Iterator[_Literal]:
    for match in _NUMBER.finditer(program, start, end):
        yield _Literal(match.start(), match[0])


def _other(prompt: PromptText, literal: _Literal) -> str | None:
    """Return a value of the same kind in place of one that the prompt shares; None where it does not share it."""
    if literal.text[0] in "'\"":
        return _other_text(prompt, literal)
    value = float(literal.text)
    if value not in set(stated.numbers_in(prompt.instruction)):
        return None
    return f"{value + 0.5:g}" if "." in literal.text else f"{int(value) - 1 if value > 1 else int(value) + 1}"


def _other_text(prompt: PromptText, literal: _Literal) -> str | None:
    quote, text = literal.text[0], literal.text[1:-1]
    is_named = literal.names and stated.is_named(prompt.instruction, text.rpartition(":")[2])
    if not text or not (is_named or stated.is_stated(prompt.binding, text)):
        return None
    stem = _STEM.match(text)
    assert stem is not None  # it matches every text
    return f"{quote}{stem[1]}_x{stem[2] or ''}{quote}"


def _replaced(program: str, places: Sequence[_Literal], other: str) -> str:
    for place in reversed(places):
        program = program[: place.start] + other + program[place.start + len(place.text) :]
    return program
