"""Items of a user's file as tasks: checks derived from the item's own fields, clusters by template, and the split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module

from env.counts import counted
from eval.datasets.clustering import cluster_items, dev_clusters
from eval.datasets.formats.rules import AS_THEY_ARE, RowRules
from eval.datasets.formats.system_turns import SystemTurns
from eval.domains import Derived, Derives, Domain, Worlds
from eval.overlap.ngrams import normalise
from eval.pipeline.extract import extract
from eval.pipeline.forms.patching import parse_hunks
from eval.records import Remark, Row, Task


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a file's items become tasks.

    Attributes:
        seed: of the split; ``dev_tasks`` and ``test_tasks`` are how many of each split are used, 0 is all.
        mod_name: what programs run as; "" reads it from prompts and programs.
        waived: sources of training rows that are used although their licence does not allow it.
        system_turns: whether rows and items are asked under system turns of their own.
        rules: how training rows are read; items get their family alone.
    """

    seed: int
    dev_tasks: int = 0
    test_tasks: int = 0
    mod_name: str = ""
    waived: tuple[str, ...] = ()
    system_turns: SystemTurns = "auto"
    rules: RowRules = AS_THEY_ARE


@dataclass(frozen=True, slots=True)
class Built:
    """The tasks of a file, how they came about, and what was left out: items without a check are ``unmeasured``."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...]
    remarks: tuple[Remark, ...]
    unmeasured: tuple[Task, ...] = ()


def build_tasks(items: Sequence[Row], wanted: Wanted, source_name: str, domain: Domain) -> Built:
    """Return the items as tasks.

    Ids are "eval:<line>"; the family says whether a diff or code is requested. An item whose reference shows nothing
    observable has no derivable check, so it is left out: every answer would pass it.
    """
    deriver: Derives = import_module(domain.derive)  # type: ignore[assignment]
    tasks: list[Task] = []
    notes: list[str] = []
    missing: list[tuple[Row, str]] = []
    unmeasured: list[Task] = []
    for item, cluster in zip(items, cluster_items(items), strict=True):
        task = _task(item, cluster, domain.families[item.family], source_name)
        program, note = _reference_program(task, domain)
        derived = deriver.derive(item, program)
        said = (note if task.reference else "", derived.remark)
        notes += [f"{task.source}: {remark}" for remark in said if remark]
        if derived.checks:
            tasks.append(_checked(task, derived, wanted.mod_name, domain))
        else:
            missing.append((item, derived.missing))
            unmeasured.append(task)
    dev = dev_clusters([(task.family, task.cluster) for task in tasks], wanted.seed)
    split = [replace(task, split="dev" if task.cluster in dev else "test") for task in tasks]
    used_ids = _used_ids(split, wanted)
    used = [task for task in split if task.id in used_ids]
    remarks = [*_missing_remark(missing, len(items), source_name), *_unused_remark(split, used, wanted)]
    return Built(tuple(used), (*notes, *_split_notes(used)), tuple(remarks), tuple(unmeasured))


def _task(item: Row, cluster: str, answer: str, source_name: str) -> Task:
    return Task(
        id=f"eval:{item.line}",
        family=item.family,
        kind=item.kind,
        cluster=cluster,
        split="test",
        instruction=item.instruction,
        input=item.input,
        answer=answer,  # type: ignore[arg-type]
        reference=item.output,
        checks=(),
        source=f"{source_name}:{item.line}",
        system=item.system,
    )


def _checked(task: Task, derived: Derived, mod_name: str, domain: Domain) -> Task:
    worlds: Worlds | None = import_module(domain.worlds) if domain.worlds else None  # type: ignore[assignment]
    brief = worlds.brief(derived.worlds) if worlds is not None else ""
    return replace(
        task,
        input="\n\n".join(part for part in (task.input, brief) if part),
        kind=task.kind or derived.kind,
        checks=derived.checks,
        difficulty=min(5, max(1, len(derived.checks) - 3)),
        mod_name=mod_name or derived.mod_name,
        reference=task.reference or derived.reference,
        worlds=derived.worlds,
    )


def _reference_program(task: Task, domain: Domain) -> tuple[str, str]:
    """Return the program the reference stands for, and a remark when there is none.

    It is found as in a model's answer. For a diff that does not apply: the lines it keeps and adds.
    """
    found = extract(task, task.reference, domain.language)
    if found.code is not None:
        return found.code, ""
    if task.answer != "diff":
        return "", f"its reference holds no program: {found.detail}"
    kept = [text for hunk in parse_hunks(task.reference) for mark, text in hunk.lines if mark != "-"]
    return "\n".join(kept), f"its reference does not apply to its input: {found.detail}"


def _used_ids(tasks: Sequence[Task], wanted: Wanted) -> set[str]:
    """Return which tasks of each split are used, by the SHA-256 of their ids: a mixture that grows with the count."""
    chosen: set[str] = set()
    for split, count in (("dev", wanted.dev_tasks), ("test", wanted.test_tasks)):
        own = [task.id for task in tasks if task.split == split]
        chosen |= set(sorted(own, key=lambda name: sha256(name.encode()).digest())[: count or len(own)])
    return chosen


def _missing_remark(missing: Sequence[tuple[Row, str]], total: int, source_name: str) -> list[Remark]:
    if not missing:
        return []
    reasons = Counter(why for _, why in missing).most_common()
    return [
        Remark(
            "items left out",
            f"{len(missing)} of {total} eval items: {'; '.join(f'{count} × {why}' for why, count in reasons)}",
            "No check can be derived for them, so every answer would pass: they are not measured.",
            "Keep them as training rows, or write them as tasks with checks of their own.",
            tuple(f"{source_name}:{item.line}: {why}" for item, why in missing),
        )
    ]


def _unused_remark(tasks: Sequence[Task], used: Sequence[Task], wanted: Wanted) -> list[Remark]:
    parts = []
    for split, count in (("dev", wanted.dev_tasks), ("test", wanted.test_tasks)):
        there = sum(task.split == split for task in tasks)
        taken = sum(task.split == split for task in used)
        if count and count != there:
            parts.append(f"dataset.{split}_tasks={count}: {taken} of {there} {split} tasks are used")
    if not parts:
        return []
    return [Remark("tasks used", "; ".join(parts), "The others are not measured.", "0 uses every task of a split.")]


def _split_notes(tasks: Sequence[Task]) -> tuple[str, ...]:
    if not tasks:
        return ()
    counts = {split: [task for task in tasks if task.split == split] for split in ("dev", "test")}
    words = ", ".join(
        f"{split} {counted(len(own), 'task')} in {counted(len({task.cluster for task in own}), 'cluster')}"
        for split, own in counts.items()
    )
    prompts = len({normalise(f"{task.instruction}\n{task.input}") for task in tasks})
    return (f"{counted(len(tasks), 'task')}, {counted(prompts, 'distinct prompt')}; split by prompt template: {words}",)
