"""Text to tokens and back, by one rule for training, generation and scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from env.refusal import Refusal
from training.backends.base import ChatFacts, PromptForm, RenderedTurn
from training.backends.local.template.chat_template import ChatTemplate
from training.backends.local.template.turns import TurnWriter


class Texts:
    """A tokenizer with its end tokens; ``tokenizer`` is the library's, loaded from the model's folder.

    The first of ``end_tokens`` is the one that the chat template writes after an answer, where it writes a token; the
    ``named`` ones of tokenizer and configuration end an answer too.

    Raises:
        Refusal: its chat template cannot be used, or a token that it puts into texts is beyond the ``vocabulary``.
    """

    def __init__(self, tokenizer: Any, named: tuple[int, ...], vocabulary: int | None = None) -> None:
        self.tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._start = _start_token(tokenizer)
        self._token_texts: dict[int, str] = {}
        self._template = ChatTemplate(tokenizer) if tokenizer.chat_template else None
        self._turns: TurnWriter | None = None
        self._require_known([] if self._start is None else [self._start])
        self._own_end = None if self._template is None else self._token_at_start(self._template.end)
        self.end_tokens = tuple(dict.fromkeys(([] if self._own_end is None else [self._own_end]) + list(named)))
        self._left_out = frozenset[int]() if self._template is None else self._tokens_left_out(self._template)

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
            "end tokens": f"{ends}: {self._end_reason()}",
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

    def _end_reason(self) -> str:
        if self._own_end is None:
            return "tokenizer and model configuration name them"
        others = ", tokenizer and model configuration name the others" if len(self.end_tokens) > 1 else ""
        return f"the chat template writes the first after an answer{others}"

    def prompt(self, text: str) -> list[int]:
        """Return a prompt's tokens, with the start token where the tokenizer uses one and the text has none yet.

        Raises:
            Refusal: the model does not know one of them.
        """
        ids = self.control(text)
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
        """Return the text of ``ids`` without special tokens, but with those that the chat template writes.

        They say which part of a turn is a thought and where the next turn begins; end tokens are left out.
        """
        if not self._left_out:
            decoded: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            return decoded
        kept = [token for token in ids if token not in self._left_out]
        told: str = self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return told

    def token_text(self, token: int) -> str:
        """Return the text of one token alone; what a token of several holds of a character is a replacement mark."""
        if token not in self._token_texts:
            self._token_texts[token] = self.text([token])
        return self._token_texts[token]

    def chat(self, user: str, form: PromptForm) -> str | None:
        """Return the prompt for one user message by the chat template (see ``ChatTemplate.prompt``); None without."""
        return None if self._template is None else self._template.prompt(user, form)

    def chat_facts(self, form: PromptForm) -> ChatFacts | None:
        """Return what the chat template writes around an answer (see ``ChatTemplate.facts``); None without one."""
        return None if self._template is None else self._template.facts(form)

    def chat_turn(
        self,
        before: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]],
        form: PromptForm,
    ) -> RenderedTurn | None:
        """Return one turn of a conversation (see ``TurnWriter.turn``); None without a chat template.

        Raises:
            Refusal: as ``TurnWriter.turn``.
        """
        if self._template is None:
            return None
        if self._turns is None:
            special = tuple(own.content for own in self.tokenizer.added_tokens_decoder.values() if own.special)
            self._turns = TurnWriter(self._template, special)
        return self._turns.turn(before, answer, tools, form)

    def control(self, text: str) -> list[int]:
        """Return the tokens of ``text`` as a template would write it: names of special tokens are those tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        self._require_known(ids)
        return ids

    def _token_at_start(self, text: str) -> int | None:
        """Return the added token that ``text`` begins with; None where it begins with mere letters."""
        ids = self.control(text)
        return ids[0] if ids and ids[0] in self.tokenizer.added_tokens_decoder else None

    def _tokens_left_out(self, template: ChatTemplate) -> frozenset[int]:
        """Return the special tokens that no text shows: all but those that the template writes within a turn."""
        added = self.tokenizer.added_tokens_decoder
        special = {*self.tokenizer.all_special_ids, *(token for token, own in added.items() if own.special)}
        written = {token for text in template.examples for token in self.prompt(text)}
        in_turns = {token for token in special if token in written or self._name(token) in template.source}
        return frozenset(special - in_turns) | {*self.end_tokens, *_outer_tokens(self.tokenizer)}

    def _name(self, token: int) -> str:
        return str(self.tokenizer.convert_ids_to_tokens(token))

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


def _outer_tokens(tokenizer: Any) -> set[int]:
    """Return the tokens around a text rather than in it: start, padding and unknown."""
    outer = (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
    return {token for token in outer if token is not None}
