"""Text to tokens and back, by one rule for training, generation and scoring."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from env.refusal import Refusal
from training.backends.local.chat_template import ChatTemplate


class Texts:
    """A tokenizer with its end tokens; ``tokenizer`` is the library's, loaded from the model's folder.

    Raises:
        Refusal: its chat template cannot be used, or a token that it puts into texts is beyond the ``vocabulary``.
    """

    def __init__(self, tokenizer: Any, end_tokens: tuple[int, ...], vocabulary: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.end_tokens = end_tokens
        self._vocabulary = vocabulary
        self._start = _start_token(tokenizer)
        self._token_texts: dict[int, str] = {}
        self._template = ChatTemplate(tokenizer) if tokenizer.chat_template else None
        self._require_known([] if self._start is None else [self._start])
        if self._template is not None:
            # the tokens that the template itself writes
            self.prompt(self._template.example)

    @property
    def end_token(self) -> int:
        """The token an answer is trained to end with."""
        return self.end_tokens[0]

    @property
    def choices(self) -> dict[str, str]:
        """The tokenizer's settings that affect results: name -> "value: reason"."""
        ends = ", ".join(f"{token} {self.tokenizer.decode([token])!r}" for token in self.end_tokens)
        start = "none" if self._start is None else f"{self._start} {self.tokenizer.decode([self._start])!r}"
        has_template = self._template is not None
        template = "the tokenizer's chat template" if has_template else "instruction, input, response"
        reason = "it has one" if has_template else "the tokenizer has no chat template"
        return {
            "end tokens": f"{ends}: tokenizer and model configuration name them",
            "start token": f"{start}: what the tokenizer puts before a text",
            "prompt": f"{template}: {reason}",
            "system text": self._system_choice(),
        }

    def _system_choice(self) -> str:
        if self._template is None:
            return "none: without a chat template there is no turn for it"
        if self._template.has_system_turn:
            return "a turn of its own: the chat template writes one"
        return "before the task, in the user's turn: the chat template writes no system turn"

    def prompt(self, text: str) -> list[int]:
        """Return a prompt's tokens, with the start token where the tokenizer uses one and the text has none yet.

        Raises:
            Refusal: the model does not know one of them.
        """
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        self._require_known(ids)
        has_start = bool(ids) and ids[0] == self._start
        return ids if self._start is None or has_start else [self._start, *ids]

    def answer(self, text: str) -> list[int]:
        """Return the tokens of ``text`` alone: a special token's name in it is text, and ends nothing.

        Raises:
            Refusal: the model does not know one of them.
        """
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        self._require_known(ids)
        return ids

    def text(self, ids: list[int]) -> str:
        """Return the text of ``ids`` without special tokens."""
        decoded: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return decoded

    def token_text(self, token: int) -> str:
        """Return the text of one token alone; what a token of several holds of a character is a replacement mark."""
        if token not in self._token_texts:
            self._token_texts[token] = self.text([token])
        return self._token_texts[token]

    def chat(self, user: str, system: str, moment: datetime) -> str | None:
        """Return the prompt for one user message by the chat template (see ``ChatTemplate.prompt``); None without."""
        return None if self._template is None else self._template.prompt(user, system, moment)

    def _require_known(self, ids: list[int]) -> None:
        largest = max(ids, default=0)
        if self._vocabulary is not None and largest >= self._vocabulary:
            raise Refusal(
                f"Token {largest} ({self.tokenizer.decode([largest])!r}) of the tokenizer is beyond the model's "
                f"{self._vocabulary:,} tokens.",
                "Give the folder that this tokenizer belongs to, or remove the token from it.",
            )


def _start_token(tokenizer: Any) -> int | None:
    """Return the token that the tokenizer puts before every text, None when it puts none."""
    start = tokenizer.bos_token_id
    return start if start is not None and tokenizer.encode("")[:1] == [start] else None
