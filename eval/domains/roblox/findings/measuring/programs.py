"""The Luau programs in files of chat rows: fenced blocks, answers that are a program alone, code of tool calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.refusal import Refusal

_FENCED = re.compile(r"```(?:lua|luau)\b[^\n]*\n(.*?)```", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_FEWEST_LINES = 3


@dataclass(frozen=True, slots=True)
class Program:
    """A program, where it stands (file and 1-based line), and whose message it is in ("user", "assistant", ...)."""

    place: str
    code: str
    role: str


def programs_in(folder: Path) -> Iterator[Program]:
    """Yield the programs of every ``*.jsonl`` in ``folder``, in order.

    Raises:
        Refusal: there is no such file, or a line is not a row of messages.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise Refusal(f"{folder} holds no .jsonl file.", "Name a folder of chat rows, one JSON object a line.")
    for file in files:
        for number, row in _rows(file):
            place = f"{file.name}:{number}"
            try:
                codes = [(code, message["role"]) for message in row["messages"] for code in _codes(message)]
            except (KeyError, TypeError, ValueError) as error:
                raise Refusal(f"{place} is no row of messages ({error!r}).", "Correct it, or leave it out.") from None
            yield from (Program(place, code, role) for code, role in codes)


def pairs_in(file: Path) -> Iterator[tuple[Program, Program]]:
    """Yield the first fenced program of each question with the first of its answer: a bug and its fix."""
    for number, row in _rows(file):
        said = {message["role"]: _FENCED.findall(message.get("content") or "") for message in row["messages"]}
        if said.get("user") and said.get("assistant"):
            place = f"{file.name}:{number}"
            bug, fix = ((said[role][0], role) for role in ("user", "assistant"))
            yield Program(place, *bug), Program(place, *fix)


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [(number, json.loads(line)) for number, line in enumerate(lines, start=1) if line.strip()]
    except (OSError, ValueError) as error:
        raise Refusal(f"{file} cannot be read: {error}.", "Name files of chat rows, one JSON object a line.") from None
    bad = [number for number, row in rows if not isinstance(row, dict) or not isinstance(row.get("messages"), list)]
    if bad:
        raise Refusal(f"{file}: {len(bad)} lines have no list of messages, such as line {bad[0]}.", "Leave them out.")
    yield from rows


def _codes(message: Mapping[str, Any]) -> Iterator[str]:
    text = message.get("content") or ""
    fenced = _FENCED.findall(text)
    yield from fenced
    answer = _THOUGHT.sub("", text).strip()
    is_bare = message["role"] == "assistant" and "```" not in answer
    if is_bare and answer.count("\n") + 1 >= _FEWEST_LINES:
        yield answer
    for call in message.get("tool_calls") or ():
        arguments = json.loads(call["function"]["arguments"])
        if isinstance(arguments, dict) and isinstance(arguments.get("code"), str):
            yield arguments["code"]
