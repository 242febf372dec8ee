"""Whether a prompt states a value: in quotes, beside its field, or as a word that can be nothing but that value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from eval.domains.luanti.items.structure import LuaTable, LuaValue

Stated = str | int | float | bool

_OTHER_WORDS = {
    "light_source": ("light level", "light"),
    "tool_capabilities": ("capabilities",),
    "stack_max": ("stack size", "stacks"),
    "cooktime": ("cooking time",),
    "burntime": ("burn time", "burning time"),
}
# a number that is not the start of a longer one, nor of a range such as 0-14
NUMBER = r"-?\d+(?:\.\d+)?(?![\w.]*\w)(?!\s*(?:-|\u2013|to\b|\.\.)\s*\d)"
# numbers that count what is registered, or end a range
_COUNTING = re.compile(r"\s*(?:new\s+)?(?:node|block|tool|item|recipe|command|entit|mob)", re.IGNORECASE)
_RANGE_START = re.compile(r"\d\s*(?:-|\u2013|to|\.\.)\s*\Z")
_JOINER = r"""['"`\]]*\s*(?:=|:|\bof\b|\bis\b|\bto\b|\bat\b|\blevel\b|\brating\b|\()?\s*"""
QUOTES = "'\"`"
# signs that the words of a sentence do not have inside them: those of files, items, formspecs, colours
_SIGN = re.compile(r"\w[._:/^\[(#]\w|[\[#]\w|_|\d")
# what a registered thing may be called, and a prompt calls every thing
_GENERIC_NAMES = frozenset(("node", "block", "tool", "item", "craftitem", "entity", "mob", "command", "recipe"))
# words of every day that are also values of enumerations
_EVERYDAY = frozenset(["light", "none", "normal", "source", "color", "shaped", "simple", "object", "node"])


def is_quoted(text: str, value: str) -> bool:
    """Whether ``value`` is quoted."""
    return bool(value) and any(f"{quote}{value}{quote}" in text for quote in QUOTES)


def is_stated(text: str, value: str) -> bool:
    """Whether ``text`` has ``value`` in quotes, or by itself where no sentence would have it by chance.

    By chance a sentence has single plain words, or two with an article; it has no file names, item names and other
    words with signs in them, and not several words exactly as they are.
    """
    return is_quoted(text, value) or (is_specific(value) and stands_alone(text, value))


def is_specific(value: str) -> bool:
    """Whether ``value`` is no plain word: it has a sign that words do not have, is three words, or a title of two."""
    words = value.split()
    return bool(_SIGN.search(value)) or len(words) > 2 or (len(words) == 2 and value.istitle() and len(words[0]) > 1)


def stands_alone(text: str, value: str) -> bool:
    """Whether ``value`` is in ``text``, and is no part of a longer word, file or item name there."""
    return bool(re.search(rf"(?<![\w:/^\[]){re.escape(value)}(?![\w:/^]|\.\w)", text))


def is_named(text: str, local: str) -> bool:
    """Whether ``text`` calls something by a local name such as red_apple: as it is, or as the words "red apple"."""
    if local.casefold() in _GENERIC_NAMES:
        return is_quoted(text, local)
    spoken = local.replace("_", " ")
    words = rf"(?<![\w.:/-]){re.escape(spoken)}(?!\w|\.\w|:\w)"
    return stands_alone(text, local) or bool(re.search(words, text, re.IGNORECASE))


def is_choice_stated(text: str, value: str, choices: tuple[str, ...]) -> bool:
    """Whether ``text`` has one of a field's ``choices`` as a word, where that is no word of every day."""
    return value in choices and value not in _EVERYDAY and stands_alone(text, value)


def stated_beside(text: str, field: str, reference: Stated) -> Stated | None:
    """Return the value that ``text`` gives beside the name of ``field`` if it is of the reference's type, else None."""
    for word in field_words(field):
        for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w){_JOINER}", text, re.IGNORECASE):
            value = _value_at(text[match.end() :], reference)
            if value is not None:
                return value
        if isinstance(reference, str) and re.search(rf"(?<![\w.]){re.escape(reference)}\s+{re.escape(word)}\b", text):
            return reference
    return None


def _value_at(text: str, reference: Stated) -> Stated | None:
    """Return the value ``text`` begins with, if it is of the reference's type."""
    if isinstance(reference, bool):
        word = re.match(r"(true|false)\b", text)
        return word[1] == "true" if word else None
    if isinstance(reference, int | float):
        number = re.match(NUMBER, text)
        return (float(number[0]) if "." in number[0] else int(number[0])) if number else None
    if text[:1] not in tuple(QUOTES):
        return reference if reference and re.match(rf"{re.escape(reference)}(?!\w|[.:]\w)", text) else None
    # the value itself may hold the quote character, so the reference is tried before the next quote
    if text.startswith(text[0] + reference + text[0]):
        return reference
    end = text.find(text[0], 1)
    return text[1:end] if end > 0 else None


def numbers_in(text: str) -> Iterator[float]:
    """Yield the numbers that stand alone in ``text``, without ranges and without counts of what is registered."""
    for match in re.finditer(rf"(?<![\w.:/-]){NUMBER}", text):
        if not _COUNTING.match(text, match.end()) and not _RANGE_START.search(text[: match.start()]):
            yield float(match[0])


def field_words(field: str) -> Iterable[str]:
    """Return how a prompt may call a field, its own name first."""
    return (field, field.replace("_", " "), *_OTHER_WORDS.get(field, ()))


def mentions(text: str, field: str) -> bool:
    """Whether ``text`` speaks of a field by any of its words."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in field_words(field))


def has_name(text: str, field: str) -> bool:
    """Whether code or documentation has the field by its exact name."""
    return bool(re.search(rf"(?<!\w){re.escape(field)}(?!\w)", text))


def mentions_any(text: str, table: LuaTable) -> bool:
    """Whether ``text`` speaks of any field of ``table``, at any depth."""
    return any(
        (isinstance(key, str) and mentions(text, key)) or (isinstance(value, LuaTable) and mentions_any(text, value))
        for key, value in table.items
    )


def leaf_numbers(value: LuaValue) -> Iterator[float]:
    """Yield every number in ``value``, at any depth."""
    if isinstance(value, LuaTable):
        for _, inner in value.items:
            yield from leaf_numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
