"""Training rows as chat: {"messages": [user, assistant]}, and back. Only this module defines how a row becomes a chat.

The user's message is the instruction; an input follows after a blank line, fenced by ``` (lua for programs) and ending
the message. The assistant's message is the answer as it is trained on, without a fence. An answer that is a list of
calls is given as ``tool_calls`` with null as content; such a chat may have more turns, those of tools among them. Other
keys are those of the instruction format: family is required, kind and cluster are optional. A system message may come
first: what the row is asked under.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from eval.datasets.formats.chat_turns import conversation
from eval.pipeline.forms.calls import Call, find_calls, listed
from eval.records import Row

_FENCED = re.compile(r"\n\n(`{3,})(?:lua)?\n(.*)\1\s*\Z", re.DOTALL)
_PROGRAM_FAMILIES = ("repair", "refactor")


@dataclass(frozen=True, slots=True)
class FlatRow:
    """A chat's object with instruction, input and output in place of messages, and its system text; or its fault."""

    values: dict[str, Any]
    system: str = ""
    wrong: str = ""


def to_chat(row: Row) -> dict[str, Any]:
    """Return ``row`` as one chat; ``flattened`` undoes it."""
    system = [{"role": "system", "content": row.system}] if row.system else []
    messages = [*system, {"role": "user", "content": _content(row)}, _answer(row.output)]
    return {"messages": messages, "family": row.family, "kind": row.kind, "cluster": row.cluster}


def _answer(output: str) -> dict[str, Any]:
    calls = _listed_calls(output)
    if not calls:
        return {"role": "assistant", "content": output}
    spelled = [
        {"id": f"call_{n}", "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
        for n, c in enumerate(calls, start=1)
    ]
    return {"role": "assistant", "content": None, "tool_calls": spelled}


def _listed_calls(output: str) -> tuple[Call, ...]:
    """Return the calls of an answer that is nothing but the list of them; () for any other."""
    if not output.startswith("["):
        return ()
    try:
        found = find_calls(output).calls
    except ValueError:
        return ()
    return found if listed(found) == output else ()


def _content(row: Row) -> str:
    if not row.input:
        return row.instruction
    fence = "```"
    while fence in row.input:
        fence += "`"
    language = "lua" if row.family in _PROGRAM_FAMILIES else ""
    text = row.input if row.input.endswith("\n") else f"{row.input}\n"
    return f"{row.instruction}\n\n{fence}{language}\n{text}{fence}"


def instruction_and_input(content: str) -> tuple[str, str]:
    """Return a user message's instruction and the input fenced at its end ("" when there is none)."""
    fenced = _FENCED.search(content)
    return (content[: fenced.start()], fenced[2]) if fenced else (content, "")


def flattened(values: dict[str, Any]) -> FlatRow:
    """Return a chat's object in the instruction format."""
    messages = values["messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return FlatRow({}, wrong='"messages" must be a list of objects')
    if any(message.get("tool_calls") or message.get("role") == "tool" for message in messages):
        return _called(messages, {key: value for key, value in values.items() if key != "messages"})
    if any(not isinstance(message.get("content"), str) for message in messages):
        return FlatRow({}, wrong="a message has no text as content")
    has_system = bool(messages) and messages[0].get("role") == "system"
    spoken = messages[1:] if has_system else messages
    roles = [str(message.get("role")) for message in spoken]
    if roles != ["user", "assistant"]:
        said = ", ".join(roles) or "nobody"
        return FlatRow({}, wrong=f"messages must be one of the user and one of the assistant, not of {said}")
    doubled = sorted({"instruction", "input", "output"} & values.keys())
    if doubled:
        return FlatRow({}, wrong=f"has messages and {', '.join(doubled)}")
    instruction, text = instruction_and_input(spoken[0]["content"])
    others = {key: value for key, value in values.items() if key != "messages"}
    flat = {"instruction": instruction, "input": text, "output": spoken[1]["content"], **others}
    return FlatRow(flat, messages[0]["content"] if has_system else "")


def _called(messages: list[dict[str, Any]], others: dict[str, Any]) -> FlatRow:
    """Return a chat that calls tools in the instruction format."""
    chat = conversation(messages)
    if chat.unusable:
        return FlatRow({}, wrong=chat.unusable)
    instruction, text = instruction_and_input(chat.question)
    return FlatRow({"instruction": instruction, "input": text, "output": chat.answer, **others}, chat.system)
