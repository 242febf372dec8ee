"""When a stop string ends a sample, and the completion that a sample's tokens spell: the same in every backend."""

from __future__ import annotations

from collections.abc import Sequence

from training.backends.base import Completion, Sampling
from training.backends.local.texts import Texts


def stop_window(stop: Sequence[str]) -> int:
    """Return how many latest tokens must be examined to see whether a sample has just completed a ``stop`` string."""
    # a token holds at least one byte, and may complete a character of four
    return max(len(string.encode()) for string in stop) + 4


def completes_stop(texts: Texts, tail: list[int], stop: Sequence[str]) -> bool:
    """Return whether one of the ``stop`` strings is in ``tail``, the latest ``stop_window`` tokens of a sample."""
    newest = texts.token_text(tail[-1])
    # only a token that holds a string's last character completes it; of several bytes, a token may hold a part
    if not any(string[-1] in newest or not string[-1].isascii() for string in stop):
        return False
    text = texts.text(tail)
    return any(string in text for string in stop)


def completed(texts: Texts, ids: list[int], settings: Sampling) -> Completion:
    """Return the completion that ``ids`` (its end token included) spell, cut at the first stop string."""
    text = texts.text(ids[:-1] if ids[-1] in texts.end_tokens else ids)
    cuts = [text.find(stop) for stop in settings.stop if stop in text]
    stopped = ids[-1] in texts.end_tokens or bool(cuts)
    return Completion(text[: min(cuts)] if cuts else text, "stop" if stopped else "length", len(ids))
