"""Which prompts come from one template: they differ only in what a template's slots hold.

Slots are masked first: quoted words, numbers, and every word that the answer's own strings hold (the name, the texture,
the description that this prompt is about). Then two prompts of one family share a template when

* they are equal, or J ≥ 0.8 on 5-grams of words, or
* they are the same words but for one in five (2 · shared words in order / all words ≥ 0.8): another noun, or
* their masked answers are near-duplicates (J ≥ 0.9) and half of their words are the same: one task told in other words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from eval.overlap.ngrams import near_pairs, normalise, tokens_of

PROMPT_JACCARD, PROMPT_RATIO = 0.8, 0.8
ANSWER_JACCARD, ANSWER_PROMPT_JACCARD = 0.9, 0.5
_GRAM = 5
_KEPT = 200
# A ratio of 0.8 in order leaves at least this index of the sets of words, unless many words repeat.
_CANDIDATE_JACCARD = 0.5
_QUOTED = re.compile(r"(['\"`])(.*?)\1(?!\w)")
_NUMBER = re.compile(r"-?\b\d+(?:\.\d+)?\b")
_SLOT = "slot"
_SLOTS = re.compile(rf"\b{_SLOT}(?:\W+{_SLOT})+\b")
_STRING = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|\[\[.*?\]\]", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the answer to it, and the family that both belong to."""

    prompt: str
    answer: str
    family: str


def masked_prompt(question: Question) -> str:
    """Return the prompt's template: normalised, with a mark for each slot."""
    words = {word.casefold() for string in _STRING.findall(question.answer) for word in _WORD.findall(string)}
    text = normalise(_NUMBER.sub(_SLOT, _QUOTED.sub(_SLOT, question.prompt)))
    text = re.sub(r"\w+", lambda word: _SLOT if _is_slot(word[0], words) else word[0], text)
    return _SLOTS.sub(_SLOT, text)


def _is_slot(word: str, words: set[str]) -> bool:
    parts = _WORD.findall(word)
    return bool(parts) and all(part in words for part in parts)


def masked_answer(answer: str) -> str:
    """Return an answer without its strings and numbers: how it is built, not of what."""
    return normalise(_NUMBER.sub(_SLOT, _STRING.sub(_SLOT, answer)))


def same_template(questions: Sequence[Question]) -> list[tuple[int, int]]:
    """Return pairs of positions, the smaller first, whose prompts come from one template; by chains they give all."""
    prompts = [masked_prompt(question) for question in questions]
    answers = [masked_answer(question.answer) for question in questions]
    found = set(_equal(prompts))
    distinct = sorted({text: place for place, text in reversed(list(enumerate(prompts)))}.values())
    texts = [prompts[place] for place in distinct]
    near = {(p.left, p.right) for p in near_pairs(texts, texts, _GRAM, PROMPT_JACCARD, _KEPT)}
    near |= {
        (p.left, p.right)
        for p in near_pairs(texts, texts, 1, _CANDIDATE_JACCARD, _KEPT)
        if p.left < p.right and _ratio(texts[p.left], texts[p.right]) >= PROMPT_RATIO
    }
    found |= {(distinct[left], distinct[right]) for left, right in near}
    alike = {(p.left, p.right) for p in near_pairs(prompts, prompts, 1, ANSWER_PROMPT_JACCARD, _KEPT)}
    found |= alike & {(p.left, p.right) for p in near_pairs(answers, answers, _GRAM, ANSWER_JACCARD, _KEPT)}
    return sorted((a, b) for a, b in found if a < b and questions[a].family == questions[b].family)


def _equal(texts: Sequence[str]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    places = [(first.setdefault(text, place), place) for place, text in enumerate(texts)]
    return [(one, other) for one, other in places if one != other]


def _ratio(left: str, right: str) -> float:
    return SequenceMatcher(None, tokens_of(left), tokens_of(right), autojunk=False).ratio()
