"""The facts as source of a Luau world, which looks a class or enum up when a program first uses it."""

from __future__ import annotations

from collections.abc import Mapping

from eval.domains.roblox.api.facts import Facts

# Starts an entry: no fact contains it, and a plain search jumps from entry to entry.
MARK = "\x01"


def luau_source(facts: Facts) -> str:
    """Return Luau source that sets ``W.fact_texts`` to the texts of ``classes`` and ``enums`` (see facts.luau).

    An entry is MARK, name, space, rest; the last entry is followed by a MARK.
    """
    classes = _entries(facts.class_texts)
    enums = _entries(facts.enum_texts)
    return f"W.fact_texts = {{ classes = {_quoted(classes)}, enums = {_quoted(enums)} }}\n"


def _entries(texts: Mapping[str, str]) -> str:
    return "".join(f"{MARK}{name} {text}\n" for name, text in texts.items()) + MARK


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace(MARK, "\\1") + '"'
