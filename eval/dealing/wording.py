"""From a wording with choices and slots to a sentence, and from a wording to the pattern of all its sentences."""

from __future__ import annotations

import random
import re

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\\\{([a-z_]+)\\\}")
_SLOTS_OF_SEVERAL_WORDS = ("it", "title", "text", "meaning", "event")


def choose(wording: str, stream: random.Random) -> str:
    """Return ``wording`` with each of its choices made by ``stream``; the slots stay."""
    return _CHOICE.sub(lambda match: stream.choice(match.group(1).split("|")), wording)


def say(wording: str, slots: dict[str, str], stream: random.Random) -> str:
    """Return one sentence of ``wording``: each choice made by ``stream``, each slot filled."""
    return choose(wording, stream).format_map(slots)


def pattern(wording: str) -> re.Pattern[str]:
    """Return what every sentence of ``wording`` matches in full, whatever its choices and slots."""
    parts = _CHOICE.split(wording)
    choices = ("|".join(map(_literal, part.split("|"))) for part in parts[1::2])
    text = _literal(parts[0])
    for choice, literal in zip(choices, parts[2::2], strict=True):
        text += f"(?:{choice}){_literal(literal)}"
    return re.compile(text, re.DOTALL)


def _literal(text: str) -> str:
    return _SLOT.sub(lambda slot: ".+?" if slot.group(1) in _SLOTS_OF_SEVERAL_WORDS else r"\S+", re.escape(text))
