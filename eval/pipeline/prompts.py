"""The prompt text a model reads, by one function for training and evaluation alike."""

from __future__ import annotations

from collections.abc import Callable

ChatTemplate = Callable[[str], str | None]
# What a base model without a chat template continues with after its answer: the next turn of the plain template.
PLAIN_HEADINGS = ("\n### Instruction:", "\n### Input:", "\n### Response:")


def user_message(instruction: str, source: str) -> str:
    """Return the user's turn: the instruction, then the code or documentation it refers to."""
    return f"{instruction}\n\n{source}" if source else instruction


def plain_template(instruction: str, source: str) -> str:
    """Return the instruction/input/response prompt used where a tokenizer has no chat template.

    The layout is Stanford Alpaca's (Taori et al. 2023) without its preamble.
    """
    context = f"### Input:\n{source}\n\n" if source else ""
    return f"### Instruction:\n{instruction}\n\n{context}### Response:\n"


def render(instruction: str, source: str, chat_template: ChatTemplate) -> str:
    """Return the prompt by the model's chat template, or the plain template where it has none."""
    text = chat_template(user_message(instruction, source))
    return plain_template(instruction, source) if text is None else text


def own_stops(chat_template: ChatTemplate) -> tuple[str, ...]:
    """Return the strings that end a completion besides the model's end tokens: none where it has a chat template."""
    return PLAIN_HEADINGS if chat_template("Hello.") is None else ()
