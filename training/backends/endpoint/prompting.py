"""In which form a server is given a prompt, so that it reads the very tokens that the training backend reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from env.refusal import Refusal
from training.backends.endpoint.servers import Server
from training.backends.local.texts import Texts


@dataclass(frozen=True, slots=True)
class PromptForm:
    """How prompts are given.

    Attributes:
        name: "tokens" or "text".
        of: takes a prompt's text and its tokens, and returns what is sent.
    """

    name: str
    reason: str
    of: Callable[[str, list[int]], Any]

    @property
    def is_tokens(self) -> bool:
        """Whether prompts are lists of tokens."""
        return self.name == "tokens"


def find_prompt_form(count: Callable[[Any], int | None], server: Server, texts: Texts, prompt: str) -> PromptForm:
    """Return the first form in which the server counts as many tokens in ``prompt`` as our own tokenizer.

    Args:
        count: gives a prompt to the server, and returns how many tokens it read: None where it tells no number, -1
            where it refuses the form.

    Raises:
        Refusal: in every form the server reads another number of tokens.
    """
    ids, told = texts.prompt(prompt), list[int]()
    for form in _forms(server, texts):
        found = count(form.of(prompt, ids))
        if found is None:
            return PromptForm(form.name, "the server does not tell how many it read", form.of)
        if found == len(ids):
            return form
        told += [found] if found >= 0 else []
    if not told:
        raise Refusal("The server accepts a prompt neither as tokens nor as text.", "Look at the server's log.")
    raise Refusal(
        f"The server reads {told[0]} tokens in a prompt in which our tokenizer has {len(ids)}.",
        "It holds another tokenizer, or puts a start token of its own before every prompt.",
    )


def _forms(server: Server, texts: Texts) -> list[PromptForm]:
    exact = PromptForm("tokens", "the server accepts them, and reads exactly these", lambda _text, ids: ids)
    text = PromptForm("text", "the server reads as many tokens as our tokenizer", lambda text, _ids: text)
    first = texts.prompt("")[:1]
    start = texts.tokenizer.decode(first) if first else ""
    # a server that puts the start token before every text would have two of them
    added = "without its start token, which the server adds"
    bare = PromptForm("text", added, lambda text, _ids: text.removeprefix(start))
    return [*([exact] if server.takes_tokens else []), text, *([bare] if start else [])]
