"""Tool calls out of an answer, as models write them, in one canonical JSON document.

Read are: ``<tool_call>`` tags (Hermes, Qwen), ``[TOOL_CALLS]`` (Mistral), fenced JSON, and bare JSON. In each a call
is ``{"name", "arguments"}`` or OpenAI's ``{"type": "function", "function": {...}}``, with the arguments as an object or
as its JSON text. It stands alone, in a list, or in an object under "calls" or "tool_calls". The text after the last
call is the final answer. Not covered: calls in XML or Python syntax.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

# who reads or writes calls finds their record here
from eval.records import Call as Call

MAX_CALLS = 64
MAX_DEPTH = 32
# Longer answers are not searched: what looks for calls may take time that grows with the square of the length.
MAX_CHARACTERS = 256 * 1024
# Lines that open a list or an object and are tried as the beginning of the calls.
_TRIES = 20
_TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_MISTRAL = re.compile(r"\[TOOL_CALLS\](.*)\Z", re.DOTALL)
_FENCED = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*(?:json|jsonc|tool_calls?|tool_code)?[ \t]*\n(.*?)^[ \t]*\1", re.M | re.S
)
_BARE = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)
_LISTS = ("calls", "tool_calls")
_WRAPPERS = ("function", "tool_call", "function_call")
_ARGUMENTS = ("arguments", "parameters", "args")


class MalformedCalls(ValueError):
    """The answer holds calls that cannot be read; the message is one sentence with the call and why."""


class NoCalls(ValueError):
    """The answer holds nothing that looks like a call."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of an answer in order, the text that followed the last of them, and the rule that found them."""

    calls: tuple[Call, ...]
    answer: str
    rule: str

    def document(self) -> str:
        """Return them as JSON: ``{"calls": [{"name", "arguments"}, ...], "answer": text}``."""
        calls = [{"name": call.name, "arguments": call.arguments} for call in self.calls]
        text = json.dumps({"calls": calls, "answer": self.answer}, ensure_ascii=False)
        # JSON may spell half of a sign, which no file can hold
        return text.encode("utf-8", "replace").decode()


def listed(calls: Sequence[Call]) -> str:
    """Return calls as a JSON list, one a line: the form in which answers are requested."""
    lines = (json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False) for call in calls)
    return "[" + ",\n ".join(lines) + "]"


def find_calls(text: str) -> Calls:
    """Return the calls in ``text``, an answer without its thoughts.

    Raises:
        NoCalls: nothing in it looks like a call.
        MalformedCalls: something does and is not JSON, or is no call, or there are more than 64, or it is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise MalformedCalls(
            f"an answer of {len(text):,} characters; at most {MAX_CHARACTERS:,} are searched for calls"
        )
    for rule, find in (("tags", _tagged), ("fence", _fenced), ("bare", _bare)):
        found = find(text)
        if found is not None:
            values, answer = found
            return _as_calls(values, answer, rule)
    raise NoCalls("the answer calls no tool")


def read_document(document: str) -> Calls:
    """Return what ``Calls.document`` wrote. Raises MalformedCalls on foreign data."""
    data = parsed(document, "the document")
    if not isinstance(data, dict) or not isinstance(data.get("answer"), str):
        raise MalformedCalls("the document is no object with calls and an answer")
    return _as_calls([data], data["answer"], "document")


def _tagged(text: str) -> tuple[list[Any], str] | None:
    tags = list(_TAGGED.finditer(text))
    if tags:
        return [parsed(tag[1], f"call {n}") for n, tag in enumerate(tags, 1)], text[tags[-1].end() :].strip()
    listed = _MISTRAL.search(text)
    return (_values_from(text, listed.start(1))) if listed else None


def _fenced(text: str) -> tuple[list[Any], str] | None:
    blocks = [block for block in _FENCED.finditer(text) if block[2].lstrip()[:1] in ("{", "[")]
    if not blocks:
        return None
    values = [value for block in blocks for value in _values_from(block[2].rstrip(), 0)[0]]
    return values, text[blocks[-1].end() :].strip()


def _bare(text: str) -> tuple[list[Any], str] | None:
    """Return the JSON values that begin at the first line where a call can be read, else where one seems to begin."""
    last = text.rfind('"name"')
    starts = [match.end() for match in islice(_BARE.finditer(text), _TRIES) if match.end() < last]
    for start in starts:
        try:
            values, answer = _values_from(text, start)
            _as_calls(values, answer, "bare")
        except ValueError:
            continue
        return values, answer
    return _values_from(text, starts[0]) if starts else None


def _values_from(text: str, start: int) -> tuple[list[Any], str]:
    """Return the JSON values that stand one after another from ``start`` on, and the text behind them."""
    values: list[Any] = []
    position = _skip(text, start)
    while position < len(text) and text[position] in "{[":
        value, position = _raw(text, position, f"call {len(values) + 1}")
        values.append(value)
        position = _skip(text, position)
    if not values:
        raise MalformedCalls("call 1 is not JSON: it begins with no { or [")
    return values, text[position:].strip()


def _skip(text: str, position: int) -> int:
    """Return the next position that is neither white space nor what separates values."""
    while position < len(text) and text[position] in " \t\r\n,;":
        position += 1
    return position


def parsed(text: str, what: str) -> Any:
    """Return the one JSON value that ``text`` is. Raises MalformedCalls."""
    value, end = _raw(text, len(text) - len(text.lstrip()), what)
    if text[end:].strip():
        raise MalformedCalls(f"{what} is not JSON: something follows its end")
    return value


def _raw(text: str, start: int, what: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedCalls(f"{what} is not JSON: {error.msg.removesuffix(' at')} at {where}") from None
    except (RecursionError, ValueError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise MalformedCalls(f"{what} is not JSON: {why}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _as_calls(values: list[Any], answer: str, rule: str) -> Calls:
    if _is_deeper(values, MAX_DEPTH + 8):
        raise MalformedCalls(f"the calls are nested deeper than {MAX_DEPTH} levels")
    flat = list(_flattened(values))
    if len(flat) > MAX_CALLS:
        raise MalformedCalls(f"{len(flat)} calls; at most {MAX_CALLS} are executed")
    calls = tuple(_call(value, f"call {number}") for number, value in enumerate(flat, start=1))
    if not calls:
        raise NoCalls("the list of calls is empty")
    return Calls(calls, answer or _own_answer(values), rule)


def _flattened(values: list[Any]) -> Iterator[Any]:
    """Yield the calls of lists and of objects that hold a list."""
    for value in values:
        listed = next((value[key] for key in _LISTS if key in value), None) if isinstance(value, dict) else value
        if isinstance(listed, list):
            yield from _flattened(listed)
        else:
            yield value


def _own_answer(values: list[Any]) -> str:
    """Return the answer inside the last object of calls: "answer", or "content" as a chat's message has it."""
    last = values[-1] if values and isinstance(values[-1], dict) else {}
    told = last.get("answer", last.get("content")) if any(key in last for key in _LISTS) else None
    return told.strip() if isinstance(told, str) else ""


def _call(value: Any, what: str) -> Call:
    if not isinstance(value, dict):
        raise MalformedCalls(f"{what} is no object")
    inner = next((value[key] for key in _WRAPPERS if isinstance(value.get(key), dict)), value)
    name = inner.get("name")
    if not isinstance(name, str) or not name.strip():
        raise MalformedCalls(f"{what} has no name")
    given: Any = next((inner[key] for key in _ARGUMENTS if key in inner), {})
    if isinstance(given, str):
        given = parsed(given, f"{what} ({name}): its arguments") if given.strip() else {}
    if given is not None and not isinstance(given, dict):
        raise MalformedCalls(f"{what} ({name}): its arguments are no object")
    if _is_deeper(given, MAX_DEPTH):
        raise MalformedCalls(f"{what} ({name}): its arguments are nested deeper than {MAX_DEPTH} levels")
    return Call(name.strip(), given or {})


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether data holds lists or objects at more than ``depth`` levels; found level by level, without recursion."""
    level = [value]
    for _ in range(depth):
        level = [part for each in level for part in _parts(each) if isinstance(part, dict | list)]
    return bool(level)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
