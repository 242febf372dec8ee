"""Messages as public files spell them, in one spelling; and as turns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eval.datasets.files.json_lines import json_type
from eval.pipeline.forms.calls import MalformedCalls, NoCalls, find_calls, parsed
from eval.records import Call, Role, Turn

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "observation": "tool",
    "function_response": "tool",
}
# of a message in parts, as OpenAI's API sends them: those that hold text
_TEXT_PARTS = ("text", "input_text", "output_text")


class NoTurns(ValueError):
    """The messages are no conversation; the message says why, without the line."""


def spelled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its messages in one spelling: roles by our names, parts of text joined, one list of calls.

    What is no message, no text or no known role stays as it is: whoever reads the row says what is wrong.
    """
    messages = values.get("messages")
    if isinstance(messages, str):
        messages = _decoded(messages)
    listed = [_spelled(message) for message in messages] if isinstance(messages, list) else messages
    return {**values, "messages": listed}


def from_share_gpt(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ShareGPT row with messages; a key "system" is its first turn."""
    others = {key: value for key, value in values.items() if key not in ("conversations", "system")}
    given = values["conversations"]
    listed = [_of_share_gpt(turn) for turn in given] if isinstance(given, list) else given
    system = values.get("system")
    if isinstance(system, str) and system.strip() and isinstance(listed, list):
        listed = [{"role": "system", "content": system}, *listed]
    return spelled({"messages": listed, **others})


def _of_share_gpt(turn: Any) -> Any:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    others = {key: value for key, value in turn.items() if key not in ("from", "value")}
    return {"role": turn["from"], "content": turn.get("value"), **others}


def _spelled(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    role, content = message.get("role"), _joined(message.get("content"))
    named = _ROLES.get(role.lower(), role) if isinstance(role, str) else role
    found = {**message, "role": named, "content": content}
    calls = _own_calls(message)
    if calls:
        found |= {"tool_calls": calls}
    elif role == "function_call" and isinstance(content, str):
        found |= _called_in_text(content)
    return found


def _joined(content: Any) -> Any:
    """Return a content of text parts as one text; any other as it is."""
    parts = content if isinstance(content, list) else None
    if not parts or not all(isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS for part in parts):
        return "" if parts == [] else content
    texts = [part.get("text") for part in parts]
    return "".join(texts) if all(isinstance(text, str) for text in texts) else content  # type: ignore[arg-type]


def _own_calls(message: Mapping[str, Any]) -> list[Any]:
    """Return a message's calls: those of ``tool_calls``, or the one of the older ``function_call``."""
    given = message.get("tool_calls")
    if isinstance(given, str):
        given = _decoded(given)
    if isinstance(given, list) and given:
        return [_wrapped(call) for call in given]
    older = message.get("function_call")
    return [_wrapped(older)] if isinstance(older, dict) else []


def _wrapped(call: Any) -> Any:
    is_bare = isinstance(call, dict) and "function" not in call and "name" in call
    return {"type": "function", "function": dict(call)} if is_bare else call


def _called_in_text(content: str) -> dict[str, Any]:
    """Return the calls that a turn "function_call" holds as text; {} where they cannot be read."""
    try:
        found = find_calls(content)
    except (MalformedCalls, NoCalls):
        return {}
    functions = [{"name": call.name, "arguments": call.arguments} for call in found.calls]
    return {"content": None, "tool_calls": [{"type": "function", "function": one} for one in functions]}


def _decoded(text: str) -> Any:
    """Return JSON that a table held as text; the text itself where it is none."""
    try:
        return parsed(text, "it")
    except MalformedCalls:
        return text


def turns_of(messages: Any) -> tuple[Turn, ...]:
    """Return the turns of messages as ``spelled`` writes them.

    Raises:
        NoTurns: they are no list of messages, a role is unknown, a content is no text, or a call cannot be read.
    """
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise NoTurns('"messages" is no list of objects')
    return tuple(_turn(message) for message in messages)


def _turn(message: Mapping[str, Any]) -> Turn:
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES.values():
        raise NoTurns(f"a message has the role {json.dumps(role, ensure_ascii=False)}")
    if not isinstance(content, str | None):
        raise NoTurns(_no_text(content))
    given = message.get("tool_calls") or ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise NoTurns(f"its calls are no list but {json_type(given)}")
    try:
        calls = tuple(openai_call(call, f"call {number}") for number, call in enumerate(given, start=1))
    except MalformedCalls as error:
        raise NoTurns(f"a call of its answer cannot be read: {error}") from None
    return Turn(_ROLES[str(role)], content or "", calls, str(message.get("name") or ""))


def _no_text(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    kinds = sorted({str(part.get("type")) for part in parts if isinstance(part, dict)} - set(_TEXT_PARTS))
    if kinds:
        return f"a message has a part of the type {', '.join(kinds)}, which is no text"
    return f"a message's content is no text but {json_type(content)}"


def openai_call(call: Any, what: str) -> Call:
    """Return a call as a chat's ``tool_calls`` hold it: its arguments are JSON text. Raises MalformedCalls."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise MalformedCalls(f"{what} names no function")
    given = function.get("arguments") or "{}"
    arguments = parsed(given, f"{what} ({function['name']})") if isinstance(given, str) else given
    if not isinstance(arguments, dict):
        raise MalformedCalls(f"{what} ({function['name']}) has no object as arguments")
    return Call(function["name"], arguments)
