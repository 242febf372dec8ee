"""A conversation as training rows, one for each turn of the assistant, and the thoughts at the head of answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.datasets.formats.messages import NoTurns, turns_of
from eval.datasets.formats.rules import Thoughts, Turns
from eval.pipeline.forms.calls import listed
from eval.records import Dialogue, Row, Turn

_THOUGHT = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)


def takes_every_turn(messages: Any, turns: Turns) -> bool:
    """Whether a chat becomes a row for each turn of the assistant; ``messages`` as ``spelled`` writes them."""
    if turns != "auto":
        return turns == "every"
    spoken = messages if isinstance(messages, list) else []
    asked = [one for one in spoken if isinstance(one, dict) and one.get("role") == "user"]
    return len(asked) > 1


def rows_of_turns(values: Mapping[str, Any], family: str, line: int) -> tuple[Row, ...]:
    """Return a chat's rows, one for each turn of the assistant; ``values`` as ``spelled`` writes them.

    A turn's ``instruction`` is the user's last one before it, its ``output`` what it says and the list of its calls.

    Raises:
        NoTurns: the chat cannot be read, does not begin with the user, or nobody answers.
    """
    turns = turns_of(values["messages"])
    system = turns[0].text.strip() if turns[0].role == "system" else ""
    spoken = turns[1:] if turns[0].role == "system" else turns
    _require_order(spoken)
    tools = values.get("tools")
    described = tuple(tool for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()
    labels = {key: str(values.get(key) or "") for key in ("kind", "cluster")}
    kind = labels["kind"] or str(values.get("category") or "")
    return tuple(
        Row(asked, "", said, family, labels["cluster"], kind, line, system, Dialogue(before, answer, described))
        for before, answer, asked in _answers(spoken)
        if (said := _output(answer))
    )


def _require_order(spoken: Sequence[Turn]) -> None:
    if not spoken or spoken[0].role != "user":
        raise NoTurns("it does not begin with a question of the user")
    if any(turn.role == "system" for turn in spoken):
        raise NoTurns("a turn of the system stands within it")
    if any(turn.role == "user" and not turn.text.strip() for turn in spoken):
        raise NoTurns("a question of it is empty")
    if not any(turn.role == "assistant" and _output(turn) for turn in spoken):
        raise NoTurns("it has no answer")


def _answers(spoken: Sequence[Turn]) -> Iterator[tuple[tuple[Turn, ...], Turn, str]]:
    """Yield each turn of the assistant with those before it and the user's last."""
    asked = ""
    for number, turn in enumerate(spoken):
        if turn.role == "user":
            asked = turn.text.strip()
        elif turn.role == "assistant":
            yield tuple(spoken[:number]), turn, asked


def _output(answer: Turn) -> str:
    said = answer.text.strip()
    return "\n".join(part for part in (said, listed(answer.calls) if answer.calls else "") if part)


def with_thoughts(rows: Sequence[Row], rule: Thoughts) -> tuple[tuple[Row, ...], tuple[int, ...]]:
    """Return the rows under a rule on thoughts, and the lines of those that it leaves out."""
    if rule == "kept":
        return tuple(rows), ()
    ruled = [row if rule == "required" else _without_thoughts(row) for row in rows]
    fits = [_has_thought(row) if rule == "required" else bool(row.output.strip()) for row in ruled]
    kept = tuple(row for row, is_kept in zip(ruled, fits, strict=True) if is_kept)
    return kept, tuple(row.line for row, is_kept in zip(ruled, fits, strict=True) if not is_kept)


def _has_thought(row: Row) -> bool:
    found = _THOUGHT.match(row.output)
    return bool(found and found[1].strip())


def _without_thoughts(row: Row) -> Row:
    bare = replace(row, output=_THOUGHT.sub("", row.output))
    if row.dialogue is None:
        return bare
    before = tuple(_bare(turn) for turn in row.dialogue.before)
    return replace(bare, dialogue=replace(row.dialogue, before=before, answer=_bare(row.dialogue.answer)))


def _bare(turn: Turn) -> Turn:
    return replace(turn, text=_THOUGHT.sub("", turn.text)) if turn.role == "assistant" else turn
