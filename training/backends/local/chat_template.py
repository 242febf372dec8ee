"""What a chat template makes of a conversation, and whether it can be used: known before weights load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Any

from env.refusal import Refusal

# Nothing that a template could write by itself.
_SYSTEM, _FIRST, _SECOND, _ANSWER = "Qarzo is the system.", "Make a qarzo lamp.", "Make a vintu chair.", "return vintu"
_ANY_MOMENT = datetime(2024, 7, 26, tzinfo=UTC)
_SHOWN = 160


class ChatTemplate:
    """The chat template of ``tokenizer``, which must have one; ``has_system_turn`` says whether it writes that turn.

    Raises:
        Refusal: it cannot be rendered, leaves the task out, does not begin the assistant's turn, or prints a time that
            cannot be held.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        if _CLOCK in str(tokenizer.chat_template):
            self._require_clock()
        first, second = (self._written([_user(text)], _ANY_MOMENT) for text in (_FIRST, _SECOND))
        if first == second:
            raise Refusal(f"The chat template gives two tasks the same prompt: {_some(first)}.", _FIX)
        if _FIRST not in first:
            raise Refusal(f"The chat template leaves the task out of the prompt: {_some(first)}.", _FIX)
        self._require_assistant_turn(first)
        self.has_system_turn = self._writes_system()

    def prompt(self, user: str, system: str, moment: datetime) -> str:
        """Return the prompt that asks for the answer to ``user``.

        Args:
            system: its own turn where the template has one, else the head of the user's; "" is none.
            moment: the time that a template which prints one reads.
        """
        if system and not self.has_system_turn:
            return self._written([_user(f"{system}\n\n{user}")], moment)
        return self._written([*([_turn("system", system)] if system else []), _user(user)], moment)

    @property
    def example(self) -> str:
        """A prompt with everything that the template may write around a task and an answer."""
        return self.prompt(_FIRST, _SYSTEM, _ANY_MOMENT)

    def _require_clock(self) -> None:
        """Refuse to go on where the time that templates print is not the one that ``_clock_at`` sets."""
        with _clock_at(_ANY_MOMENT):
            told = self._tokenizer.apply_chat_template(
                [_user(_FIRST)], tokenize=False, chat_template=f"{{{{ {_CLOCK}('%Y%j') }}}}"
            )
        if told != f"{_ANY_MOMENT:%Y%j}":
            raise Refusal(
                "The chat template prints the date, and this version of transformers does not let a run hold it.",
                "Use the version in env/locks/core.txt, or remove the date from the template.",
            )

    def _require_assistant_turn(self, prompt: str) -> None:
        """Refuse a template that ignores ``add_generation_prompt``, unless the answer follows the user's turn directly.

        In some families it does: "[INST] task [/INST] answer".
        """
        if self._written([_user(_FIRST)], _ANY_MOMENT, begin_answer=False) != prompt:
            return
        whole = self._written([_user(_FIRST), _turn("assistant", _ANSWER)], _ANY_MOMENT, begin_answer=False)
        if not whole.startswith(prompt) or not whole.removeprefix(prompt).lstrip().startswith(_ANSWER):
            raise Refusal(
                f"The chat template ignores add_generation_prompt: a prompt ends before the assistant's turn, in "
                f"{_some(prompt)}.",
                _FIX,
            )

    def _writes_system(self) -> bool:
        try:
            written = self._written([_turn("system", _SYSTEM), _user(_FIRST)], _ANY_MOMENT)
        except Refusal:
            return False
        return _SYSTEM in written and _FIRST in written

    def _written(self, messages: list[dict[str, str]], moment: datetime, begin_answer: bool = True) -> str:
        try:
            with _clock_at(moment):
                written: str = self._tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=begin_answer
                )
        except Exception as error:
            # whatever a template's author wrote may raise anything
            said = " ".join(str(error).split())[:_SHOWN]
            raise Refusal(f"The chat template cannot be rendered: {type(error).__name__}: {said}.", _FIX) from error
        return written


@contextmanager
def _clock_at(moment: datetime) -> Iterator[None]:
    """Let templates that ask for the time read ``moment``: the library hands them its own clock and takes no other."""
    from transformers.utils import chat_template_utils as library

    class Held(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moment

    with _CLOCK_TURN:
        real = library.datetime
        library.datetime = Held
        try:
            yield
        finally:
            library.datetime = real


_CLOCK = "strftime_now"
_CLOCK_TURN = threading.Lock()
_FIX = "Correct chat_template in the model's folder (chat_template.jinja or tokenizer_config.json), or remove it."


def _user(text: str) -> dict[str, str]:
    return _turn("user", text)


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def _some(prompt: str) -> str:
    return repr(prompt if len(prompt) <= _SHOWN else f"{prompt[:_SHOWN]}…")
