"""One turn of a longer conversation as the chat template writes it: the prompt up to it, and what it says or calls.

A template that writes another conversation than its own prompt begins, or that drops calls, would teach what the model
never meets: it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from env.refusal import Refusal
from training.backends.base import PromptForm, RenderedTurn
from training.backends.local.template.chat_template import ChatTemplate

Message = Mapping[str, Any]
_TOOL, _GLOW, _RESULT = "qarzo_lamp", "vintu", "Zarqo is lit."
_CALLING: tuple[Message, ...] = (
    {"role": "user", "content": "Light it."},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"type": "function", "id": "call00001", "function": {"name": _TOOL, "arguments": {"glow": _GLOW}}}
        ],
    },
    {"role": "tool", "content": _RESULT, "tool_call_id": "call00001"},
    {"role": "assistant", "content": "Done."},
)
_SIGNS = {_TOOL: "calls", _GLOW: "arguments of calls", _RESULT: "results of tools"}
_ALTERNATIVE = "dataset.turns=joined makes one row of a chat of one question; or leave these rows out."


class TurnWriter:
    """Writes turns by ``template``; ``tokens`` are the texts that the tokenizer reads as special tokens."""

    def __init__(self, template: ChatTemplate, tokens: Sequence[str]) -> None:
        self._template = template
        self._tokens = tuple(tokens)
        # what was found about calls, by the form of the prompts
        self._lost: dict[str, tuple[str, ...]] = {}

    def turn(
        self, before: Sequence[Message], answer: Message, tools: Sequence[Mapping[str, Any]], form: PromptForm
    ) -> RenderedTurn:
        """Return the prompt that asks for ``answer``, and the answer as the template writes it.

        Raises:
            Refusal: the template drops calls; the whole conversation does not begin with the prompt; or the answer
                holds a special token's text where tokens must be written.
        """
        if any(message.get("tool_calls") or message["role"] == "tool" for message in (*before, answer)):
            self._require_calls(form)
        prompt = self._template.conversation(before, form, tools)
        whole = self._template.conversation([*before, answer], form, tools, begin_answer=False)
        if not whole.startswith(prompt):
            raise Refusal(
                "The chat template writes another conversation than its own prompt begins, so that a turn of it cannot "
                "be trained on as it is asked for (Nemotron's and DeepSeek-R1's are such).",
                _ALTERNATIVE,
            )
        rest, prefix, end = whole.removeprefix(prompt), self._template.facts(form).prefix, self._template.end
        if prefix and rest.startswith(prefix):
            prompt, rest = prompt + prefix, rest.removeprefix(prefix)
        said, content = rest.removesuffix(end), str(answer.get("content") or "").strip()
        if said.strip() == content and not answer.get("tool_calls"):
            return RenderedTurn(prompt, content)
        self._require_no_tokens(answer)
        is_ended = bool(end) and not rest.endswith(end)
        return RenderedTurn(prompt, rest.rstrip() if is_ended else said, is_written=True, is_ended=is_ended)

    def _require_calls(self, form: PromptForm) -> None:
        """Raise Refusal where the template drops calls or results, now or once they lie behind."""
        key = repr(sorted(form.arguments.items(), key=str))
        if key not in self._lost:
            text = self._template.conversation(_CALLING, form, begin_answer=False)
            self._lost[key] = tuple(what for sign, what in _SIGNS.items() if sign not in text)
        if self._lost[key]:
            raise Refusal(
                f"The chat template drops {' and '.join(self._lost[key])} without a word (Llama 3's, Phi-3's and "
                "DeepSeek-R1's do): rows that call tools cannot be trained on in it.",
                _ALTERNATIVE,
            )

    def _require_no_tokens(self, answer: Message) -> None:
        texts = str(answer.get("content") or "") + str(answer.get("tool_calls") or "")
        held = next((token for token in self._tokens if token in texts), None)
        if held is not None:
            raise Refusal(
                f"An answer holds {held}, which the chat template would write as a token.", "Remove it from the row."
            )
