"""The prompt text a model reads, by one function for training and evaluation alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

# What a base model without a chat template continues with after its answer: the next turn of the plain template.
PLAIN_HEADINGS = ("\n### Instruction:", "\n### Input:", "\n### Response:")
ChatTemplate = Callable[[str, str, datetime], str | None]
"""User's turn, system text and moment to the prompt; None where there is no chat template."""


@dataclass(frozen=True, slots=True)
class PromptForm:
    """What all prompts of a run share.

    Attributes:
        system: the text of the system turn; "" is none. Models without a chat template have no such turn.
        moment: the time that a template which prints one reads: one for the whole run, however often it is resumed.
    """

    system: str
    moment: datetime


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
    text = chat_template(user_message(instruction, source), form.system, form.moment)
    return plain_template(instruction, source) if text is None else text


def own_stops(chat_template: ChatTemplate) -> tuple[str, ...]:
    """Return the strings that end a completion besides the model's end tokens: none where it has a chat template."""
    return PLAIN_HEADINGS if chat_template("Hello.", "", datetime(2024, 1, 1, tzinfo=UTC)) is None else ()
