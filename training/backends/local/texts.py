"""Text to tokens and back, by one rule for training, generation and scoring."""

from __future__ import annotations

from typing import Any


class Texts:
    """A tokenizer with its end tokens; ``tokenizer`` is the library's, loaded from the model's folder."""

    def __init__(self, tokenizer: Any, end_tokens: tuple[int, ...]) -> None:
        self.tokenizer = tokenizer
        self.end_tokens = end_tokens
        self._start = _start_token(tokenizer)
        self._token_texts: dict[int, str] = {}

    @property
    def end_token(self) -> int:
        """The token an answer is trained to end with."""
        return self.end_tokens[0]

    @property
    def choices(self) -> dict[str, str]:
        """The tokenizer's settings that affect results: name -> "value: reason"."""
        ends = ", ".join(f"{token} {self.tokenizer.decode([token])!r}" for token in self.end_tokens)
        start = "none" if self._start is None else f"{self._start} {self.tokenizer.decode([self._start])!r}"
        has_template = bool(self.tokenizer.chat_template)
        template = "the tokenizer's chat template" if has_template else "instruction, input, response"
        reason = "it has one" if has_template else "the tokenizer has no chat template"
        return {
            "end tokens": f"{ends}: tokenizer and model configuration name them",
            "start token": f"{start}: what the tokenizer puts before a text",
            "prompt": f"{template}: {reason}",
        }

    def prompt(self, text: str) -> list[int]:
        """Return a prompt's tokens, with the start token where the tokenizer uses one and the text has none yet."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        has_start = bool(ids) and ids[0] == self._start
        return ids if self._start is None or has_start else [self._start, *ids]

    def answer(self, text: str) -> list[int]:
        """Return the tokens of ``text`` alone: a special token's name in it is text, and ends nothing."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
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

    def chat(self, user: str) -> str | None:
        """Return the prompt for one user message by the chat template; None without one."""
        if not self.tokenizer.chat_template:
            return None
        message = [{"role": "user", "content": user}]
        prompt: str = self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        return prompt


def _start_token(tokenizer: Any) -> int | None:
    """Return the token that the tokenizer puts before every text, None when it puts none."""
    start = tokenizer.bos_token_id
    return start if start is not None and tokenizer.encode("")[:1] == [start] else None
