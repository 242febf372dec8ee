"""Training rows as chat: {"messages": [user, assistant]}, and back. Only this module defines how a row becomes a chat.

The user's message is the instruction; an input follows after a blank line, fenced by ``` (lua for programs) and ending
the message. The assistant's message is the answer as it is trained on, without a fence. Other keys are those of the
instruction format: family is required, kind and cluster are optional. A system message before the user's is dropped.
"""

from __future__ import annotations

import re
from typing import Any

from eval.records import Row

_FENCED = re.compile(r"\n\n(`{3,})(?:lua)?\n(.*)\1\s*\Z", re.DOTALL)
_PROGRAM_FAMILIES = ("repair", "refactor")


def to_chat(row: Row) -> dict[str, Any]:
    """Return ``row`` as one chat; ``instruction_and_input`` undoes it."""
    messages = [{"role": "user", "content": _content(row)}, {"role": "assistant", "content": row.output}]
    return {"messages": messages, "family": row.family, "kind": row.kind, "cluster": row.cluster}


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


def flattened(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a chat's object with instruction, input and output in place of messages, or what is wrong with it."""
    messages = values["messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return {}, ['"messages" must be a list of objects']
    if any(not isinstance(message.get("content"), str) for message in messages):
        return {}, ["a message has no text as content"]
    spoken = messages[1:] if messages and messages[0].get("role") == "system" else messages
    roles = [message.get("role") for message in spoken]
    if roles != ["user", "assistant"]:
        return {}, [f"messages must be one of the user and one of the assistant, not {roles}"]
    doubled = sorted({"instruction", "input", "output"} & values.keys())
    if doubled:
        return {}, [f"has messages and {', '.join(doubled)}"]
    instruction, text = instruction_and_input(spoken[0]["content"])
    others = {key: value for key, value in values.items() if key != "messages"}
    return {"instruction": instruction, "input": text, "output": spoken[1]["content"], **others}, []
