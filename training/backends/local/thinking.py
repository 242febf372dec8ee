"""Where each sample of a batch stands between its thought and its answer: the same in every backend.

A thought has a budget of its own. Once it is used up, the text that closes a thought is written in the model's place
and the answer follows: budget forcing (Muennighoff et al. 2025, arXiv:2501.19393), which is how Qwen3's thinking budget
works too (arXiv:2505.09388). A sample's tokens depend on its own draws alone, so a resumed one is equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from training.backends.base import Completion, Sampling, Thought
from training.backends.local.stopping import completes_stop, stop_window
from training.backends.local.texts import Texts


def most_tokens(texts: Texts, settings: Sampling) -> int:
    """Return how many tokens one sample may take: its thought, what closes it, and its answer."""
    thinking = settings.thinking
    closing = len(texts.control(thinking.forced)) if thinking.max_tokens else 0
    return thinking.max_tokens + closing + settings.max_new_tokens


@dataclass(slots=True)
class _Row:
    """One sample so far; ``answer_at``: how many tokens come before its answer, None while it thinks."""

    ids: list[int] = field(default_factory=list)
    answer_at: int | None = None
    is_open: bool = False
    to_force: list[int] = field(default_factory=list)
    was_cut: bool = False
    has_ended: bool = False


class ThinkingRows:
    """``count`` samples that may think before they answer, as ``settings.thinking`` says."""

    def __init__(self, texts: Texts, settings: Sampling, count: int) -> None:
        self._texts = texts
        self._settings = settings
        self._thinking = settings.thinking
        self._closing = texts.control(settings.thinking.forced)
        self._rows = [_Row(is_open=not settings.thinking.opens) for _ in range(count)]

    def follow(self, rows: Sequence[int], drawn: Sequence[int]) -> list[int]:
        """Return each row's next token: the ``drawn`` one, or the one that closes a thought out of budget."""
        return [self._take(self._rows[row], token) for row, token in zip(rows, drawn, strict=True)]

    def ended(self, rows: Sequence[int]) -> list[bool]:
        """Return of each row whether its latest token was its last."""
        return [self._rows[row].has_ended for row in rows]

    def completion(self, row: int) -> Completion:
        """Return what a row that has ended spells: thought and answer, the latter cut at the first stop string."""
        held = self._rows[row]
        is_closed = held.ids[-1] in self._texts.end_tokens
        body = held.ids[:-1] if is_closed else held.ids
        start = len(held.ids) if held.answer_at is None else held.answer_at
        thought, answer = self._texts.text(body[:start]), self._texts.text(body[start:])
        cuts = [answer.find(stop) for stop in self._settings.stop if stop in answer]
        spent = None if start == 0 else Thought(start, held.was_cut)
        text = thought + (answer[: min(cuts)] if cuts else answer)
        return Completion(text, "stop" if is_closed or cuts else "length", len(held.ids), spent)

    def _take(self, row: _Row, drawn: int) -> int:
        if row.has_ended:
            return drawn
        if row.to_force:
            row.ids.append(row.to_force.pop(0))
            row.answer_at = None if row.to_force else len(row.ids)
            return row.ids[-1]
        row.ids.append(drawn)
        row.has_ended = drawn in self._texts.end_tokens
        if row.answer_at is None:
            self._look_at_thought(row)
        if row.answer_at is not None and not row.has_ended:
            row.has_ended = self._answer_is_over(row.ids[row.answer_at :])
        return drawn

    def _look_at_thought(self, row: _Row) -> None:
        """See whether the thought ends with the latest token, was none, or has used its budget up."""
        if not row.is_open:
            text, opens = self._texts.text(row.ids).lstrip(), self._thinking.opens
            row.is_open = text.startswith(opens)
            if not row.is_open and not opens.startswith(text):
                row.answer_at = 0
                return
        closes = (self._thinking.closes,)
        if completes_stop(self._texts, row.ids[-stop_window(closes) :], closes):
            row.answer_at = len(row.ids)
        elif len(row.ids) >= self._thinking.max_tokens and not row.has_ended:
            row.to_force, row.was_cut = list(self._closing), True

    def _answer_is_over(self, answer: list[int]) -> bool:
        stop = self._settings.stop
        if len(answer) >= self._settings.max_new_tokens:
            return True
        return bool(stop and answer) and completes_stop(self._texts, answer[-stop_window(stop) :], stop)
