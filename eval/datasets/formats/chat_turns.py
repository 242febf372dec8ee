"""Chats of any number of turns, with tools or without, as one question and one answer.

A run asks once and executes one answer, so a trajectory becomes the calls that it makes, in order, as the JSON list in
which answers are requested. What it says before its first call opens the answer; what it says later is left out: it
tells what only a tool's result could say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.datasets.files.json_lines import json_type
from eval.datasets.formats.messages import openai_call
from eval.pipeline.forms.calls import Call, MalformedCalls, listed

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
_PROSE_THOUGHT = re.compile(r"\A\s*(?:Thinking Process|Thought Process)\s*:", re.IGNORECASE)
_ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat as one question and one answer.

    Attributes:
        system: the text of the system turn; "" without one.
        calls: how many tools it calls; 0 is an answer in text.
        unusable: why it is no question with an answer; "" where it is one.
        flaw: what is wrong with an answer that can be trained on all the same; "" where nothing is.
    """

    system: str = ""
    question: str = ""
    answer: str = ""
    calls: int = 0
    unusable: str = ""
    flaw: str = ""


def conversation(messages: Any) -> Conversation:
    """Return what a row's ``messages`` say."""
    wrong = _structure_fault(messages)
    if wrong:
        return Conversation(unusable=wrong)
    has_system = messages[0]["role"] == "system"
    system = (messages[0].get("content") or "").strip() if has_system else ""
    question, *turns = messages[has_system:]
    try:
        answer, calls = _answer(turns)
    except MalformedCalls as error:
        return Conversation(system, unusable=f"a call of its answer cannot be read: {error}")
    thought = _THOUGHT.match(answer)
    rest = answer[thought.end() :] if thought else answer
    return Conversation(system, question["content"].strip(), answer, calls, _answer_fault(rest), _answer_flaw(rest))


def _structure_fault(messages: Any) -> str:
    """Return why ``messages`` is no chat of one question; "" where it is one."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return '"messages" is no list of objects'
    foreign = next((message for message in messages if message.get("role") not in _ROLES), None)
    if foreign is not None:
        return f"a message has the role {json.dumps(foreign.get('role'))}"
    untold = next((m for m in messages if not isinstance(m.get("content"), str | None)), None)
    if untold is not None:
        return f"a message's content is no text but {json_type(untold['content'])}"
    return _turn_fault([str(message["role"]) for message in messages], messages)


def _turn_fault(roles: Sequence[str], messages: Sequence[Mapping[str, Any]]) -> str:
    spoken = roles[1:] if roles[:1] == ["system"] else list(roles)
    if spoken[:1] != ["user"]:
        return "it does not begin with a question of the user"
    if not (messages[len(roles) - len(spoken)].get("content") or "").strip():
        return "its question is empty"
    if "user" in spoken[1:] or "system" in spoken[1:]:
        return "it has more than one question"
    return "" if "assistant" in spoken else "it has no answer"


def _answer(turns: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """Return the one answer that assistant turns make, and how many calls it holds. Raises MalformedCalls."""
    parts: list[str] = []
    calls: list[Call] = []
    for turn in turns:
        said = (turn.get("content") or "").strip()
        if turn["role"] == "assistant" and said and not calls:
            parts.append(said)
        made = enumerate(turn.get("tool_calls") or (), start=len(calls) + 1)
        calls += [openai_call(call, f"call {number}") for number, call in made]
    return "\n".join([*parts, listed(calls)] if calls else parts), len(calls)


def _answer_fault(said: str) -> str:
    """Return why what an answer says after its thought is none; "" where it is one."""
    if said.lstrip().startswith("<think>"):
        return "its answer never leaves its thought"
    return "" if said.strip() else "its answer is empty"


def _answer_flaw(said: str) -> str:
    """Return how what an answer says after its thought is cut off; "" where it is whole."""
    if len(_FENCE.findall(said)) % 2:
        return "cut off inside a fenced block"
    if _PROSE_THOUGHT.match(said) and not _FENCE.search(said):
        return "cut off inside a thought in prose"
    return ""
