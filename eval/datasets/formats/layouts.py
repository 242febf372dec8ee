"""The public layouts of rows, told by their keys: what each is called, and how it is written in ours.

A row of any of them becomes either ``instruction, input, output`` or ``messages``, beside its other keys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.refusal import Refusal, choices_hint
from eval.datasets.formats.messages import from_share_gpt, spelled

Values = Mapping[str, Any]
Keys = Collection[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout of rows.

    Attributes:
        name: as ``dataset.format`` names it; ``title`` says it in words.
        matches: whether a row with these keys has it.
        ours: the row with our keys in place of its own; None where it is no question with an answer.
        remedy: what makes a row of it ours, where it is not read.
        may_lack: which of our keys its rows do not have: nothing asks for a plain text.
    """

    name: str
    title: str
    matches: Callable[[Keys], bool]
    ours: Callable[[Values], dict[str, Any]] | None
    remedy: str = ""
    may_lack: tuple[str, ...] = ()


def _renamed(values: Values, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}


def _completion(values: Values) -> dict[str, Any]:
    """Return prompt and completion as instruction and output; lists of messages as one conversation."""
    answer = "completion" if "completion" in values else "response"
    if isinstance(values["prompt"], list) and isinstance(values[answer], list):
        others = {key: value for key, value in values.items() if key not in ("prompt", answer)}
        return spelled({"messages": [*values["prompt"], *values[answer]], **others})
    return _renamed(values, {"prompt": "instruction", answer: "output"})


LAYOUTS = (
    Layout(
        "sharegpt",
        "ShareGPT (conversations of from and value)",
        lambda keys: "conversations" in keys,
        from_share_gpt,
    ),
    Layout(
        "preference",
        "preference pairs (chosen and rejected)",
        lambda keys: {"chosen", "rejected"} <= set(keys),
        None,
        'keep "prompt" as "instruction" and "chosen" as "output"',
    ),
    Layout("chat", "chat messages", lambda keys: "messages" in keys, spelled),
    Layout(
        "instruction",
        "Alpaca (instruction, input, output)",
        lambda keys: {"instruction", "output"} <= set(keys),
        dict,
    ),
    Layout(
        "completion",
        "prompt and completion",
        lambda keys: "prompt" in keys and any(key in keys for key in ("completion", "response")),
        _completion,
    ),
    Layout(
        "question",
        "question and answer",
        lambda keys: {"question", "answer"} <= set(keys),
        lambda values: _renamed(values, {"question": "instruction", "answer": "output"}),
    ),
    Layout(
        "prompt",
        "prompts without answers",
        lambda keys: {"prompt", "category"} <= set(keys),
        lambda values: _renamed(values, {"prompt": "instruction"}),
    ),
    Layout(
        "text",
        "plain text",
        lambda keys: "text" in keys and "instruction" not in keys,
        lambda values: _renamed(values, {"text": "output"}),
        may_lack=("instruction",),
    ),
)
BY_NAME = {layout.name: layout for layout in LAYOUTS}
AUTO = "auto"


def layout_named(name: str) -> Layout | None:
    """Return a layout by its name; None for "auto". Raises Refusal for any other word."""
    if name != AUTO and name not in BY_NAME:
        raise Refusal(f'dataset.format: no layout "{name}".', choices_hint(name, [AUTO, *BY_NAME]))
    return BY_NAME.get(name)


def layout_of(keys: Keys) -> Layout | None:
    """Return the layout that a row with these keys has; None where it has none that is known."""
    return next((layout for layout in LAYOUTS if layout.matches(keys)), None)


def shared_layout(rows: Sequence[Values]) -> Layout | None:
    """Return the layout that every one of ``rows`` has; None where they have none, or several."""
    found = {layout_of(row) for row in rows}
    return found.pop() if len(found) == 1 else None
