"""The prompt text a model reads, by one function for training and evaluation alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What a base model without a chat template continues with after its answer: the next turn of the plain template.
PLAIN_HEADINGS = ("\n### Instruction:", "\n### Input:", "\n### Response:")


@dataclass(frozen=True, slots=True)
class PromptForm:
    """What all prompts of a run share.

    Attributes:
        system: the text of the system turn; "" is none. Models without a chat template have no such turn.
        moment: the time that a template which prints one reads: one for the whole run, however often it is resumed.
        arguments: what the chat template is given besides the conversation, such as reasoning_effort.
        answer_prefix: text between the prompt and the answer, as part of the prompt; "auto" is what the chat template
            writes there in a whole conversation, "none" is none.
        thinks: whether the model may think before it answers: its prompt then ends before the answer prefix. Training
            and scoring never do, since training answers hold no thoughts.
    """

    system: str
    moment: datetime
    arguments: Mapping[str, Any]
    answer_prefix: str
    thinks: bool


ChatTemplate = Callable[[str, PromptForm], str | None]
"""User's turn and form to the prompt; None where there is no chat template."""
ChatTurns = Callable[[Sequence[str], PromptForm], str | None]
"""The turns of a conversation, the user's first and last, and form to the prompt; None as above."""


def user_message(instruction: str, source: str) -> str:
    """Return the user's turn: the instruction, then the code or documentation it refers to."""
    return f"{instruction}\n\n{source}" if source else instruction


def plain_template(instruction: str, source: str) -> str:
    """Return the instruction/input/response prompt used where a tokenizer has no chat template.

    The layout is Stanford Alpaca's (Taori et al. 2023) without its preamble.
    """
    context = f"### Input:\n{source}\n\n" if source else ""
    return f"### Instruction:\n{instruction}\n\n{context}### Response:\n"


def render(instruction: str, source: str, chat_template: ChatTemplate, form: PromptForm) -> str:
    """Return the prompt by the model's chat template, or the plain template where it has none."""
    text = chat_template(user_message(instruction, source), form)
    return plain_template(instruction, source) if text is None else text


def render_again(instruction: str, source: str, said: Sequence[str], chat_turns: ChatTurns, form: PromptForm) -> str:
    """Return the prompt that goes on after a task's own: ``said`` is the model's answer, the user's reply, and so on.

    By the model's chat template, or by the plain template, turn after turn, where it has none. Raises Refusal where the
    chat template does.
    """
    text = chat_turns((user_message(instruction, source), *said), form)
    if text is not None:
        return text
    replies = [f"{answer}\n\n{plain_template(reply, '')}" for answer, reply in zip(said[::2], said[1::2], strict=True)]
    return "".join((plain_template(instruction, source), *replies))


def own_stops(chat_template: ChatTemplate, form: PromptForm) -> tuple[str, ...]:
    """Return the strings that end a completion besides the model's end tokens: none where it has a chat template."""
    return PLAIN_HEADINGS if chat_template("Hello.", form) is None else ()
