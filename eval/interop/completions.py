"""Completions that were made elsewhere, as a file of JSON lines: whose, of which task, what was written.

A line is ``{"task_id", "completion"}`` as HumanEval has it, ``"solution"`` as EvalPlus calls it, or a stored sample of
ours. ``"arm"`` (or ``"model"``) names who wrote it, ``"index"`` its number; without one, lines of a task count from 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.counts import counted, listed_text, more_text
from env.refusal import Refusal, choices_hint
from eval.datasets.files.json_lines import json_type
from eval.datasets.files.opening import read_objects
from eval.records import Completion

# The arm of lines that name none.
UNNAMED = "completions"
_TEXTS, _ARMS = ("completion", "solution"), ("arm", "model")
_TOLD_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Given:
    """One completion of a file; ``tokens`` of a text alone are not known and 0."""

    arm: str
    task_id: str
    index: int
    seed: int
    completion: Completion


def read_completions(path: Path, known: Mapping[str, Any]) -> list[Given]:
    """Return the completions of a file in its order.

    Args:
        known: the ids of the tasks they may be of, as keys.

    Raises:
        Refusal: the file cannot be read or is empty, or lines are no completions: equal problems are told once, with
            their count and the first line.
    """
    given: list[Given] = []
    problems: dict[str, list[int]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    taken: set[tuple[str, str, int]] = set()
    for line in read_objects(path):
        wrong = line.wrong or _problem(line.values, known)
        if not wrong:
            one = _given(line.values, seen)
            key = (one.arm, one.task_id, one.index)
            wrong = f"{one.arm} has two completions of {one.task_id} with index {one.index}" if key in taken else ""
            taken.add(key)
            given.append(one)
        if wrong:
            problems.setdefault(wrong, []).append(line.number)
    if problems:
        raise Refusal(f"{path}: {'; '.join(_told(problems))}.", "Fix these lines; nothing was scored.")
    if not given:
        raise Refusal(f"{path}: holds no completion.", 'Each line is {"task_id": ID, "completion": TEXT}.')
    return given


def _told(problems: Mapping[str, list[int]]) -> Iterator[str]:
    for wrong, lines in list(problems.items())[:_TOLD_AT_MOST]:
        others = f" and {counted(len(lines) - 1, 'other line')}" if len(lines) > 1 else ""
        yield f"line {lines[0]}{others}: {wrong}"
    if more := more_text(len(problems) - _TOLD_AT_MOST, "problems"):
        yield more


def _problem(values: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return what keeps an object from being a completion of a known task; "" where nothing does."""
    task_id = values.get("task_id")
    if not isinstance(task_id, str):
        return '"task_id" is missing' if task_id is None else f'"task_id" must be text, not {json_type(task_id)}'
    if task_id not in known:
        return f'there is no task "{task_id}". {choices_hint(task_id, known)}'.rstrip(".")
    texts = [key for key in _TEXTS if key in values]
    if len(texts) != 1:
        return f"one of {listed_text(_TEXTS, 2)} must say what was written, and {len(texts) or 'none'} does"
    text = values[texts[0]]
    if isinstance(text, dict):
        text = text.get("text")
    if not isinstance(text, str):
        return f'"{texts[0]}" must be text, not {json_type(text)}'
    index = values.get("index", 0)
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        return f'"index" must be a number from 0, not {index!r}'
    return next((f'"{key}" must be text' for key in _ARMS if key in values and not isinstance(values[key], str)), "")


def _given(values: Mapping[str, Any], seen: Counter[tuple[str, str]]) -> Given:
    arm = next((values[key] for key in _ARMS if values.get(key)), UNNAMED)
    place = (arm, values["task_id"])
    index = values.get("index", seen[place])
    seen[place] += 1
    written = next(values[key] for key in _TEXTS if key in values)
    parts = written if isinstance(written, dict) else {"text": written}
    tokens, finish = parts.get("tokens"), parts.get("finish")
    completion = Completion(
        parts["text"], "length" if finish == "length" else "stop", tokens if isinstance(tokens, int) else 0
    )
    seed = values.get("seed")
    return Given(arm, values["task_id"], index, seed if isinstance(seed, int) else 0, completion)
