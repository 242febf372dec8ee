"""Tasks as a file: what makes a set of tasks valid, and how it is written and read."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from env.counts import counted, lines_text
from env.files import read_lines, write_atomic
from env.refusal import Refusal, choices_hint
from eval.records import SPLITS, NearMiss, Task, TaskCheck

SCHEMA_VERSION = 1
"""Version of the tasks file: line 1 is {"schema": "luagate-tasks", "version": 1}, every other line one Task."""

_HEADER = {"schema": "luagate-tasks", "version": SCHEMA_VERSION}
_SHOWN = 20
ANSWERS = ("code", "diff", "calls")


def problems(tasks: Sequence[Task], families: Collection[str]) -> list[str]:
    """Return everything that is wrong with ``tasks``, one sentence each; an empty list means they are valid."""
    found = [f"task {task.id or '(no id)'}: {wrong}" for task in tasks for wrong in _task_problems(task, families)]
    return found + _set_problems(tasks)


def require_sound(tasks: Sequence[Task], source: str, families: Collection[str]) -> None:
    """Raise a Refusal that names all problems of ``tasks`` (the first 20 in full) when there is one."""
    found = problems(tasks, families)
    if found:
        listed = lines_text(found, _SHOWN)
        raise Refusal(
            f"{source}: {counted(len(found), 'problem')} in the tasks:{listed}", "Correct them and load again."
        )


def _task_problems(task: Task, families: Collection[str]) -> list[str]:
    """Return what is wrong with one task by itself."""
    check_names = Counter(check.name for check in task.checks)
    rules = (
        (not task.id, "has no id"),
        (task.family not in families, f'unknown family "{task.family}". {choices_hint(task.family, families)}'),
        (task.split not in SPLITS, f'unknown split "{task.split}". {choices_hint(task.split, SPLITS)}'),
        (task.answer not in ANSWERS, f'unknown answer form "{task.answer}". {choices_hint(task.answer, ANSWERS)}'),
        (not task.cluster, "has no cluster"),
        (not task.instruction.strip(), "has no instruction"),
        (not task.reference.strip(), "has no reference answer"),
        (task.answer == "diff" and not task.input.strip(), "asks for a diff but has no input to apply it to"),
        (not task.checks, "has no checks: every answer would pass"),
        (not 1 <= task.difficulty <= 5, f"difficulty {task.difficulty} is outside 1..5"),
        (any(not check.lua.strip() for check in task.checks), "has an empty check"),
        (any(count > 1 for count in check_names.values()), "has two checks with one name"),
        (any(miss.answer == task.reference for miss in task.near_misses), "a near miss equals the reference"),
    )
    return [sentence for wrong, sentence in rules if wrong]


def _set_problems(tasks: Sequence[Task]) -> list[str]:
    """Return what is wrong between tasks: repeated ids, repeated questions, clusters in two splits."""
    ids = Counter(task.id for task in tasks)
    splits: defaultdict[str, set[str]] = defaultdict(set)
    questions: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for task in tasks:
        splits[task.cluster].add(task.split)
        questions[task.instruction, task.input].append(task.id)
    return [
        *(f"id {task_id}: used by {counted(count, 'task')}" for task_id, count in ids.items() if count > 1),
        *(
            f"cluster {cluster}: is in both splits ({', '.join(sorted(where))})"
            for cluster, where in splits.items()
            if len(where) > 1
        ),
        *(f"tasks {', '.join(same)}: ask the same question" for same in questions.values() if len(same) > 1),
    ]


def write_tasks(path: Path, tasks: Sequence[Task], families: Collection[str]) -> None:
    """Write ``tasks`` as JSON lines under a header line. Raises Refusal when they are not valid."""
    require_sound(tasks, str(path), families)
    lines = [_HEADER, *(asdict(task) for task in tasks)]
    write_atomic(path, "".join(f"{json.dumps(line)}\n" for line in lines))


def read_tasks(path: Path, families: Collection[str]) -> tuple[Task, ...]:
    """Return the valid tasks of a file that ``write_tasks`` wrote.

    Raises:
        Refusal: there is no file, it has another schema version, a line is no task, or the tasks are not valid.
    """
    if not path.is_file():
        raise Refusal(f"{path}: no such tasks file.")
    lines = read_lines(path)
    _require_header(path, lines[0] if lines else "")
    tasks = tuple(_read_task(path, number, line) for number, line in enumerate(lines[1:], start=2))
    require_sound(tasks, str(path), families)
    return tasks


def is_tasks_file(path: Path) -> bool:
    """Whether a file begins with the header line of ``write_tasks``."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.readline(len(json.dumps(_HEADER)) + 2).strip() == json.dumps(_HEADER).encode()


def _require_header(path: Path, line: str) -> None:
    try:
        header = json.loads(line)
    except json.JSONDecodeError:
        header = None
    if header != _HEADER:
        raise Refusal(
            f"{path}:1: not a tasks file of version {SCHEMA_VERSION}.", f"Its first line must be {json.dumps(_HEADER)}."
        )


def _read_task(path: Path, number: int, line: str) -> Task:
    try:
        return task_from_json(json.loads(line))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        sentence = f"{path}:{number}: not a task: {type(error).__name__}: {error}."
        raise Refusal(sentence, "Write it with eval.datasets.task_files.write_tasks.") from None


def task_from_json(data: dict[str, Any]) -> Task:
    """Rebuild a Task from ``dataclasses.asdict``. Raises KeyError, TypeError or ValueError on foreign data."""
    checks = tuple(TaskCheck(**check) for check in data["checks"])
    near_misses = tuple(NearMiss(**miss) for miss in data["near_misses"])
    worlds = tuple(data.get("worlds", ()))
    return Task(**{**data, "checks": checks, "near_misses": near_misses, "worlds": worlds})
