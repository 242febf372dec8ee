"""What a chat template makes of a conversation, and whether it can be used: known before weights load."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from env.refusal import Refusal
from training.backends.base import ChatFacts, PromptForm
from training.backends.local.template.arguments import known_arguments, require_allowed
from training.backends.local.template.clock import CLOCK, clock_at

# Nothing that a template could write by itself.
_SYSTEM, _FIRST, _SECOND, _ANSWER = "Qarzo is the system.", "Make a qarzo lamp.", "Make a vintu chair.", "return vintu"
_ANY_MOMENT = datetime(2024, 7, 26, tzinfo=UTC)
_SHOWN = 160
_FIX = "Correct chat_template in the model's folder (chat_template.jinja or tokenizer_config.json), or remove it."
# A prompt that opens a thought which the template's own conversations do not hold: DeepSeek-R1's "<think>\n".
_OPENED = re.compile(r"(?P<left>[<\[])(?P<name>[A-Za-z:_]+)(?P<right>[>\]])\s*\Z")


class ChatTemplate:
    """The chat template of ``tokenizer``, which must have one; ``has_system_turn`` says whether it writes that turn.

    Raises:
        Refusal: it cannot be rendered, leaves the task out, does not begin the assistant's turn, or prints a time that
            cannot be held.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._facts: dict[str, ChatFacts] = {}
        self.source = str(tokenizer.chat_template)
        if CLOCK in self.source:
            self._require_clock()
        first, second = (self._written([_user(text)]) for text in (_FIRST, _SECOND))
        if first == second:
            raise Refusal(f"The chat template gives two tasks the same prompt: {_some(first)}.", _FIX)
        if _FIRST not in first:
            raise Refusal(f"The chat template leaves the task out of the prompt: {_some(first)}.", _FIX)
        self._require_assistant_turn(first)
        self.has_system_turn = self._writes_system()

    def prompt(self, user: str, form: PromptForm) -> str:
        """Return the prompt that asks for the answer to ``user``, the one text for training, measuring and scoring.

        It ends in the answer prefix, so that the answer itself comes next; where ``form.thinks`` it ends before that.
        The system text is its own turn where the template has one, else the head of the user's.

        Raises:
            Refusal: as ``facts``.
        """
        prefix = "" if form.thinks else self.facts(form).prefix
        return self._written(self._messages(user, form), form.moment, form.arguments) + prefix

    def conversation(
        self,
        messages: Sequence[Mapping[str, Any]],
        form: PromptForm,
        tools: Sequence[Mapping[str, Any]] = (),
        begin_answer: bool = True,
    ) -> str:
        """Return a conversation under the system text of ``form``, which a first turn of the user holds where the
        template has no turn for it; ``begin_answer`` begins the assistant's turn.

        Raises:
            Refusal: as ``facts``.
        """
        told = list(messages)
        if form.system and self.has_system_turn:
            told = [_turn("system", form.system), *told]
        elif form.system:
            told = [{**told[0], "content": f"{form.system}\n\n{told[0]['content']}"}, *told[1:]]
        given = {**form.arguments, "tools": list(tools)} if tools else form.arguments
        return self._written(told, form.moment, given, begin_answer)

    def facts(self, form: PromptForm) -> ChatFacts:
        """Return what the template writes around an answer under ``form``: found by rendering a whole conversation.

        Raises:
            Refusal: an argument is one that luagate sets itself, or the template cannot be rendered with it.
        """
        key = repr((form.system, form.moment, sorted(form.arguments.items(), key=str), form.answer_prefix))
        if key not in self._facts:
            self._facts[key] = self._found(form)
        return self._facts[key]

    @property
    def examples(self) -> tuple[str, str]:
        """A prompt, and a conversation with its answer ("" where the template writes none): all that it may write."""
        messages = [*([_turn("system", _SYSTEM)] if self.has_system_turn else []), _user(_FIRST)]
        prompt = self._written(messages)
        try:
            return prompt, self._written([*messages, _turn("assistant", _ANSWER)], begin_answer=False)
        except Refusal:
            return prompt, ""

    @property
    def end(self) -> str:
        """What the template writes after an answer; "" where it writes no conversation with one."""
        _, answer, after = self.examples[1].rpartition(_ANSWER)
        return after if answer else ""

    def _found(self, form: PromptForm) -> ChatFacts:
        require_allowed(form.arguments, self._tokenizer)
        prefix, reason = self._answer_prefix(form)
        if form.answer_prefix != "auto":
            reason = f"requested; the chat template's own is {prefix!r}"
            prefix = "" if form.answer_prefix == "none" else form.answer_prefix
        idle = tuple(name for name in form.arguments if self._changes_nothing(name, form))
        return ChatFacts(prefix, reason, self.end, known_arguments(self.source), idle, self.source)

    def _changes_nothing(self, name: str, form: PromptForm) -> bool:
        others = {other: value for other, value in form.arguments.items() if other != name}
        return self._conversation(form, others) == self._conversation(form, form.arguments)

    def _answer_prefix(self, form: PromptForm) -> tuple[str, str]:
        """Return (what stands between a prompt and its answer in the template's own conversation, how it was found)."""
        prompt, whole = self._conversation(form, form.arguments)
        before, answer, _ = whole.rpartition(_ANSWER)
        if answer and before.startswith(prompt):
            found = before.removeprefix(prompt)
            if not found.strip(" "):
                return "", "the chat template writes an answer directly after the prompt"
            return found, "what the chat template writes between a prompt and its answer"
        opened = _OPENED.search(prompt)
        if opened and answer:
            closing, reason = _closing(opened, before), "the prompt opens a thought, which is closed at once"
            if closing:
                return closing, reason
        return "", "unknown: the conversation that the chat template writes does not begin with its prompt"

    def _conversation(self, form: PromptForm, arguments: Mapping[str, Any]) -> tuple[str, str]:
        """Return an example prompt, and the same conversation with its answer ("" where the template refuses it)."""
        messages = self._messages(_FIRST, form)
        prompt = self._written(messages, form.moment, arguments)
        try:
            answered = [*messages, _turn("assistant", _ANSWER)]
            return prompt, self._written(answered, form.moment, arguments, begin_answer=False)
        except Refusal:
            return prompt, ""

    def _messages(self, user: str, form: PromptForm) -> list[dict[str, str]]:
        if form.system and not self.has_system_turn:
            return [_user(f"{form.system}\n\n{user}")]
        return [*([_turn("system", form.system)] if form.system else []), _user(user)]

    def _require_clock(self) -> None:
        """Refuse to go on where the time that templates print is not the one that ``clock_at`` sets."""
        with clock_at(_ANY_MOMENT):
            told = self._tokenizer.apply_chat_template(
                [_user(_FIRST)], tokenize=False, chat_template=f"{{{{ {CLOCK}('%Y%j') }}}}"
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
        if self._written([_user(_FIRST)], begin_answer=False) != prompt:
            return
        whole = self._written([_user(_FIRST), _turn("assistant", _ANSWER)], begin_answer=False)
        if not whole.startswith(prompt) or not whole.removeprefix(prompt).lstrip().startswith(_ANSWER):
            raise Refusal(
                f"The chat template ignores add_generation_prompt: a prompt ends before the assistant's turn, in "
                f"{_some(prompt)}.",
                _FIX,
            )

    def _writes_system(self) -> bool:
        try:
            written = self._written([_turn("system", _SYSTEM), _user(_FIRST)])
        except Refusal:
            return False
        return _SYSTEM in written and _FIRST in written

    def _written(
        self,
        messages: Sequence[Mapping[str, Any]],
        moment: datetime = _ANY_MOMENT,
        arguments: Mapping[str, Any] | None = None,
        begin_answer: bool = True,
    ) -> str:
        try:
            with clock_at(moment):
                written: str = self._tokenizer.apply_chat_template(
                    list(messages), tokenize=False, add_generation_prompt=begin_answer, **(arguments or {})
                )
        except Exception as error:
            # whatever a template's author wrote may raise anything
            said = " ".join(str(error).split())[:_SHOWN]
            own = {name: value for name, value in (arguments or {}).items() if name != "tools"}
            given = f" with prompt.template_arguments = {own}" if own else ""
            fix = "Correct prompt.template_arguments, or the template." if own else _FIX
            raise Refusal(
                f"The chat template cannot be rendered{given}: {type(error).__name__}: {said}.", fix
            ) from error
        return written


def _closing(opened: re.Match[str], before: str) -> str:
    """Return what closes the thought that a prompt ``opened``, in the template's own words where it has some.

    ``before``: the conversation up to its answer. "" where that is not the prompt's.
    """
    tag = f"{opened['left']}/{opened['name']}{opened['right']}"
    if opened.string.startswith(before):
        return f"\n{tag}\n\n"
    rest = before.removeprefix(opened.string.rstrip())
    return rest.lstrip() if rest != before and rest.lstrip().startswith(tag) else ""


def _user(text: str) -> dict[str, str]:
    return _turn("user", text)


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def _some(prompt: str) -> str:
    return repr(prompt if len(prompt) <= _SHOWN else f"{prompt[:_SHOWN]}…")
