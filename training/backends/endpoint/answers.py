"""What a server's answer must hold to become a sample: everything else is refused in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from env.refusal import Refusal

_FIX = "Nothing of this answer was stored. Check that sampler.urls is the server and the model that you mean."
_FINISHES = ("stop", "length")


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion as the server tells it.

    Attributes:
        finish: "stop" or "length".
        prompt_tokens, tokens: as the server counts them, the stop token too; None where it does not.
        ids: the tokens themselves, where the server returns them.
    """

    text: str
    finish: str
    prompt_tokens: int | None
    tokens: int | None
    ids: tuple[int, ...] | None


def read_answer(data: Any, names: Collection[str], most: int) -> Answer:
    """Return the one completion in ``data``.

    Args:
        names: what the server may call the model that was asked.
        most: tokens that were allowed.

    Raises:
        Refusal: it is an error, of another model, holds no or several completions, was cut short, or is too long.
    """
    choice = the_choice(data, names)
    finish, text = choice.get("finish_reason"), choice.get("text")
    if not isinstance(text, str):
        raise Refusal(f"The server's completion has no text: {_some(choice)}.", _FIX)
    if finish not in _FINISHES:
        raise Refusal(f"The server ended a completion by {finish!r}, which is neither stop nor length.", _FIX)
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = _count(usage, "completion_tokens")
    if tokens is not None and tokens > most:
        raise Refusal(f"The server wrote {tokens} tokens where max_tokens is {most}.", _FIX)
    ids = choice.get("token_ids")
    known = tuple(ids) if isinstance(ids, list) and ids and all(isinstance(one, int) for one in ids) else None
    return Answer(text, finish, _count(usage, "prompt_tokens"), tokens, known)


def the_choice(data: Any, names: Collection[str]) -> dict[str, Any]:
    """Return the only completion in ``data``, a server's answer. Raises Refusal as ``read_answer``."""
    if not isinstance(data, dict):
        raise Refusal(f"The server answered no JSON object: {_some(data)}.", _FIX)
    if data.get("error"):
        raise Refusal(f"The server answered an error as if it were a completion: {_some(data['error'])}.", _FIX)
    model, choices = data.get("model"), data.get("choices")
    if model not in names:
        raise Refusal(f"The server answered with the model {model!r}; {_first(names)!r} was asked.", _FIX)
    if not isinstance(choices, list):
        raise Refusal("The server's answer has no choices.", _FIX)
    if len(choices) != 1 or not isinstance(choices[0], dict):
        raise Refusal(f"The server returned {len(choices)} completions where 1 was asked for.", _FIX)
    return choices[0]


def prompt_log_probs(choice: dict[str, Any], ids: Sequence[int], start: int) -> list[float] | None:
    """Return the natural-log probabilities of ``ids[start:]`` that a completion tells; None where it tells none.

    vLLM has them in ``prompt_logprobs``, one object per token, by the token's number; with ``echo`` OpenAI's protocol
    has them in ``logprobs.token_logprobs``, the generated token at the end.
    """
    told = choice.get("prompt_logprobs")
    if isinstance(told, list) and len(told) == len(ids):
        return _numbers([_own(entry, token) for entry, token in zip(told[start:], ids[start:], strict=True)])
    echoed = choice.get("logprobs")
    listed = echoed.get("token_logprobs") if isinstance(echoed, dict) else None
    if isinstance(listed, list) and len(listed) in (len(ids), len(ids) + 1):
        return _numbers(listed[start : len(ids)])
    return None


def _own(entry: Any, token: int) -> Any:
    found = entry.get(str(token)) if isinstance(entry, dict) else None
    return found.get("logprob") if isinstance(found, dict) else None


def _numbers(found: Sequence[Any]) -> list[float] | None:
    numbers = [float(one) for one in found if isinstance(one, int | float) and not isinstance(one, bool)]
    return numbers if numbers and len(numbers) == len(found) else None


def _count(usage: dict[str, Any], key: str) -> int | None:
    value = usage.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _first(names: Collection[str]) -> str:
    return next(iter(names))


def _some(data: Any) -> str:
    return " ".join(str(data).split())[:160].rstrip(".")
