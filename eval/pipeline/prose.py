"""Which lines of an answer are program and which are sentences around it: told by how a line begins and ends."""

from __future__ import annotations

import re

from eval.pipeline.language import Language

_SENTENCE = re.compile(r"\s*(?:[#*>-]\s+)?[A-Z][\w'`,]*(?:\s+\S+)+.*[.:!?]\s*\Z")
_DIFF_LINE = re.compile(r"@@|diff --git |[+-]")


def is_sentence(line: str) -> bool:
    """Whether ``line`` is several words that begin like a sentence and end like one."""
    return bool(_SENTENCE.match(line))


def is_code_line(line: str, language: Language) -> bool:
    """Whether ``line`` begins like a statement of ``language`` and is no sentence."""
    return bool(language.code_line.match(line)) and not is_sentence(line)


def program_lines(text: str, language: Language, wants_diff: bool) -> int:
    """Return how many lines of ``text`` look like the answer that is wanted: a diff, or a program."""
    lines = text.split("\n")
    if wants_diff:
        return sum(bool(_DIFF_LINE.match(line)) and not line.startswith(language.comment) for line in lines)
    return sum(is_code_line(line, language) for line in lines)


def without_sentences(text: str, language: Language) -> str:
    """Return ``text`` without the sentences before and after its program; all of it when no line looks like one."""
    lines = text.split("\n")
    code = [number for number, line in enumerate(lines) if is_code_line(line, language)]
    if not code:
        return text
    first, last = code[0], code[-1]
    before, after = lines[:first], lines[last + 1 :]
    cut_before, cut_after = any(map(is_sentence, before)), any(map(is_sentence, after))
    if not (cut_before or cut_after):
        return text
    blank_before, blank_after = not "".join(before).strip(), not "".join(after).strip()
    kept = lines[first if cut_before or blank_before else 0 : last + 1 if cut_after or blank_after else len(lines)]
    return "\n".join(kept)
