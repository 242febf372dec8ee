"""The public formats of training rows, told by their keys, so that a file that is not read is called by its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

Keys = Collection[str]


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A layout of rows: its name, how it is recognised, and how to make it ours."""

    name: str
    matches: Callable[[Keys], bool]
    remedy: str


_FAMILY = 'a "family" in each row'
FORMATS = (
    RowFormat(
        "ShareGPT (conversations of from and value)",
        lambda keys: "conversations" in keys,
        'rename "conversations" to "messages", "from" to "role" (human: user, gpt: assistant), "value" to "content", '
        f"and add {_FAMILY}",
    ),
    RowFormat(
        "preference pairs (chosen and rejected)",
        lambda keys: {"chosen", "rejected"} <= set(keys),
        f'keep "prompt" as "instruction" and "chosen" as "output", and add {_FAMILY}',
    ),
    RowFormat(
        "prompt and completion",
        lambda keys: "prompt" in keys and any(key in keys for key in ("completion", "response")),
        f'rename "prompt" to "instruction" and "completion" to "output", and add {_FAMILY}',
    ),
    RowFormat(
        "question and answer",
        lambda keys: {"question", "answer"} <= set(keys),
        f'rename "question" to "instruction" and "answer" to "output", and add {_FAMILY}',
    ),
    RowFormat(
        "plain text", lambda keys: "text" in keys and "instruction" not in keys, "give each row a prompt and an answer"
    ),
    RowFormat(
        "chat messages without family", lambda keys: "messages" in keys and "family" not in keys, f"add {_FAMILY}"
    ),
    RowFormat(
        "Alpaca (instruction, input, output) without family",
        lambda keys: {"instruction", "output"} <= set(keys) and "family" not in keys,
        f"add {_FAMILY}",
    ),
)


def recognised(rows: Sequence[dict[str, Any]]) -> RowFormat | None:
    """Return the foreign format that every one of ``rows`` has; None where they have none, or several."""
    found = {next((form for form in FORMATS if form.matches(row)), None) for row in rows}
    return found.pop() if len(found) == 1 else None
