"""From the benchmark's YAML files to tasks; every problem of every file at once, by file, line and id."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import yaml

from env.counts import counted, lines_text
from env.refusal import Refusal, choices_hint
from eval.datasets.task_files import problems
from eval.domains import Worlds
from eval.records import NearMiss, Task, TaskCheck

CHECK_KEYS = {"name", "lua", "needs"}
NEAR_MISS_KEYS = {"why", "answer"}
# One cluster in three is dev: the protocol wants twice as many test clusters as dev clusters (docs/decision-rule.md).
DEV_EVERY = 3
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Shape:
    """Which keys an entry must and may have, and how many near misses."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    fewest_misses: int


BENCH = Shape(
    required=("id", "difficulty", "cluster", "instruction", "reference", "checks", "near_misses"),
    optional=("input", "answer", "worlds"),
    fewest_misses=2,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a file as YAML gave it, with its place in the file."""

    file: Path
    line: int
    data: Any

    def __str__(self) -> str:
        name = self.data.get("id", "(no id)") if isinstance(self.data, dict) else "(no mapping)"
        return f"{self.file.parent.name}/{self.file.name}:{self.line} {name}"


def read_bench(
    name: str, folder: Path, families: Mapping[str, str], mod_name: str, worlds: Worlds | None = None
) -> tuple[Task, ...]:
    """Return every task of the benchmark, split by cluster into dev and test, ordered by id.

    A file is ``<kind>/<family>.yaml``: a list of tasks. A task's ``worlds`` are texts, or data that the domain's
    verifier reads as JSON. The split follows from the clusters' names alone. ``name`` is
    the benchmark's, for the tasks' sources; ``families`` gives each family the form of its answers,
    ``mod_name`` is what their programs run as ("" in a domain without mods), ``worlds`` tells of the tasks' worlds.

    Raises:
        Refusal: naming file, line and id of everything that is wrong (the first 30 in full).
    """
    entries = [entry for file in sorted(folder.glob("*/*.yaml")) for entry in read_entries(file)]
    found = [f"{entry}: {wrong}" for entry in entries for wrong in entry_problems(entry, families)]
    refuse_all(folder.name, found)
    made = [replace(_bench_task(name, entry, families), mod_name=mod_name) for entry in entries]
    tasks = split_by_cluster(told_worlds(folder.name, entries, made, worlds))
    where = {task_entry.data["id"]: task_entry for task_entry in entries}
    refuse_all(folder.name, problems(tasks, families), where)
    return tuple(sorted(tasks, key=lambda task: task.id))


def told_worlds(name: str, entries: Sequence[Entry], tasks: Sequence[Task], worlds: Worlds | None) -> list[Task]:
    """Return ``tasks`` with what their worlds say behind their inputs. Raises Refusal naming each wrong world."""
    if worlds is None:
        return list(tasks)
    wrong = [(entry, worlds.world_problems(task.worlds)) for entry, task in zip(entries, tasks, strict=True)]
    refuse_all(name, [f"{entry}: {sentence}" for entry, sentences in wrong for sentence in sentences])
    return [replace(task, input=_told(task, worlds)) for task in tasks]


def _told(task: Task, worlds: Worlds) -> str:
    return "\n\n".join(part for part in (task.input, worlds.brief(task.worlds)) if part)


def refuse_all(name: str, found: Sequence[str], where: Mapping[str, Entry] | None = None) -> None:
    """Raise a Refusal that names what was ``found`` wrong, each with its place in ``where`` by the id that it names."""
    if found:
        listed = lines_text([_placed(sentence, where or {}) for sentence in found], _SHOWN)
        problems_found = counted(len(found), "problem")
        raise Refusal(f"{name}: {problems_found} in the tasks:{listed}", "Correct them and validate again.")


def _placed(sentence: str, where: Mapping[str, Entry]) -> str:
    named = [entry for task_id, entry in where.items() if f" {task_id}:" in sentence or f" {task_id}," in sentence]
    return f"{named[0].file.parent.name}/{named[0].file.name}:{named[0].line} {sentence}" if named else sentence


def read_entries(file: Path) -> Iterator[Entry]:
    """Yield the items of one file with their 1-based lines. Raises Refusal when it is not a YAML list."""
    text = file.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        values = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise Refusal(f"{file}{line}: not YAML ({getattr(error, 'problem', error)}).", "Correct that line.") from None
    if not isinstance(values, list) or not isinstance(node, yaml.SequenceNode):
        raise Refusal(f"{file}: not a list of tasks.", "Each task begins with `- id:`.")
    for item, value in zip(node.value, values, strict=True):
        yield Entry(file, item.start_mark.line + 1, value)


def entry_problems(
    entry: Entry, families: Collection[str], shape: Shape = BENCH, family: str | None = None
) -> list[str]:
    """Return what is wrong with one item by itself, before it is a task; its family is that of its file by default."""
    data = entry.data
    if not isinstance(data, dict):
        return ["is not a mapping"]
    family = entry.file.stem if family is None else family
    found = [f"lacks {key}" for key in shape.required if key not in data]
    known = (*shape.required, *shape.optional)
    found += [f'unknown key "{key}". {choices_hint(str(key), known)}' for key in data if key not in known]
    if family not in families:
        found.append(f'unknown family "{family}". {choices_hint(family, families)}')
    for key in ("id", "cluster", "instruction", "reference", "input", "answer"):
        if key in data and not isinstance(data[key], str):
            found.append(f"{key} is {shortened(data[key])}, not text")
    if "difficulty" in data and (not isinstance(data["difficulty"], int) or isinstance(data["difficulty"], bool)):
        found.append(f"difficulty is {shortened(data['difficulty'])}, not a number from 1 to 5")
    found += _part_problems(data.get("checks", []), "check", {"name", "lua"}, CHECK_KEYS)
    if not _is_worlds(data.get("worlds", [])):
        found.append("worlds is no list of texts or mappings")
    misses = data.get("near_misses", [])
    found += _part_problems(misses, "near miss", NEAR_MISS_KEYS, NEAR_MISS_KEYS)
    if isinstance(misses, list) and len(misses) < shape.fewest_misses:
        found.append(f"has {len(misses)} near misses, at least {shape.fewest_misses} are needed")
    return found


def _is_worlds(worlds: Any) -> bool:
    return isinstance(worlds, list) and all(isinstance(world, str | dict) for world in worlds)


def _part_problems(parts: Any, name: str, required: set[str], known: set[str]) -> list[str]:
    if not isinstance(parts, list):
        return [f"its {name} is not a list"]
    found = []
    for number, part in enumerate(parts, start=1):
        if not isinstance(part, dict) or not all(isinstance(value, str) for value in part.values()):
            found.append(f"{name} {number} is not a mapping of texts")
        elif not required <= part.keys() <= known:
            found.append(f"{name} {number} has keys {sorted(part)}, not {sorted(required)}")
        elif name == "check" and part.get("needs", "registry") not in ("registry", "world"):
            found.append(f'check {number} needs "{part["needs"]}"; choices: registry, world')
    return found


def _bench_task(name: str, entry: Entry, families: Mapping[str, str]) -> Task:
    kind, file = entry.file.parent.name, entry.file
    return replace(task_of(entry.data, file.stem, families, f"{name}/{kind}/{file.name}:{entry.line}"), kind=kind)


def task_of(data: Mapping[str, Any], family: str, families: Mapping[str, str], source: str) -> Task:
    """Return the task of an entry in which nothing is wrong by itself; in the test split, and of no kind yet."""
    return Task(
        id=data["id"],
        family=family,
        kind="",
        cluster=data["cluster"],
        split="test",
        instruction=data["instruction"].strip(),
        input=data.get("input", ""),
        answer=data.get("answer", families[family]),
        reference=data["reference"],
        checks=tuple(TaskCheck(**check) for check in data["checks"]),
        near_misses=tuple(NearMiss(answer=miss["answer"], why=miss["why"]) for miss in data["near_misses"]),
        difficulty=data["difficulty"],
        source=source,
        worlds=tuple(world if isinstance(world, str) else json.dumps(world) for world in data.get("worlds", ())),
    )


def split_by_cluster(tasks: Sequence[Task]) -> list[Task]:
    """Return ``tasks`` with every third cluster of each kind in dev, the others in test.

    Within a kind clusters are ordered by the SHA-256 of their names, so that adding a task moves few others.
    """
    kind_of: dict[str, str] = {}
    for task in sorted(tasks, key=lambda task: task.id):
        kind_of.setdefault(task.cluster, task.kind)
    dev: set[str] = set()
    for kind in sorted(set(kind_of.values())):
        clusters = sorted(
            (c for c, k in kind_of.items() if k == kind), key=lambda c: sha256(c.encode("utf-8")).digest()
        )
        dev.update(clusters[::DEV_EVERY])
    return [replace(task, split="dev" if task.cluster in dev else "test") for task in tasks]
