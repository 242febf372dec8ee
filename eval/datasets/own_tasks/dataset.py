"""A run's dataset from tasks of the user's own and rows to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from env.files import digest
from env.refusal import Refusal
from eval.datasets.bench_files import Entry, refuse_all, split_by_cluster, task_of, told_worlds
from eval.datasets.clustering import dev_clusters
from eval.datasets.files.folders import content_of, task_files
from eval.datasets.formats.rows import read_source
from eval.datasets.formats.system_turns import File, settle
from eval.datasets.own_tasks.task_entries import family_of, own_problems, read_entries
from eval.datasets.public_format import part_of_rows, require_known, rules_content, unused_rows
from eval.datasets.public_tasks import Wanted
from eval.datasets.task_files import is_tasks_file, problems, read_tasks
from eval.domains import Domain, Worlds
from eval.records import Dataset, Remark, Row, Task


def read_own(eval_path: Path, train_path: Path, wanted: Wanted, n_train: int, domain: Domain) -> Dataset:
    """Return the tasks of a file or folder, and ``n_train`` rows of ``train_path`` (0: all).

    Where both are one path there are no rows: the tasks alone are looked at.

    Raises:
        Refusal: naming file, line and id of everything that is wrong with the tasks; or as ``read_source``.
    """
    tasks = own_tasks(eval_path, domain, wanted)
    trained: tuple[Row, ...] = ()
    remarks: list[Remark] = []
    notes: list[str] = []
    if train_path != eval_path:
        read = read_source(train_path, domain, wanted.waived, wanted.rules)
        require_known(wanted.waived, read.unlicensed)
        asked = tuple(Row(task.instruction, task.input, "", task.family, system=task.system) for task in tasks)
        settled = settle(File(eval_path, asked), File(train_path, read.rows), wanted.system_turns)
        tasks = [replace(task, system=row.system) for task, row in zip(tasks, settled.items, strict=True)]
        trained = part_of_rows(settled.rows, n_train)
        remarks = [*read.remarks, *settled.remarks, *unused_rows(read.rows, trained)]
        notes = [*read.notes, *settled.notes]
    used = [*_part(tasks, "dev", wanted.dev_tasks), *_part(tasks, "test", wanted.test_tasks)]
    content = {
        "tasks": [asdict(task) for task in used],
        "train": content_of(train_path) if train_path != eval_path else None,
        "rows": n_train,
        "waived": wanted.waived,
        "system_turns": wanted.system_turns,
        **rules_content(wanted.rules, trained),
    }
    return Dataset(eval_path.stem, tuple(used), trained, digest(content), tuple(notes), tuple(remarks))


def own_tasks(path: Path, domain: Domain, wanted: Wanted) -> list[Task]:
    """Return every task of a file or folder with its split, ordered by id.

    A task's split is its own; else that of another task of its cluster that has one; else, of a folder laid out as the
    benchmarks are (``<kind>/<family>.yaml``), every third cluster of a kind is dev, as there; else about a third of
    each family by whole clusters.

    Raises:
        Refusal: naming file, line and id of everything that is wrong (the first 30 in full).
    """
    files = task_files(path)
    if len(files) == 1 and is_tasks_file(files[0]):
        return sorted(read_tasks(files[0], domain.families), key=lambda task: task.id)
    entries = [entry for file in files for entry in read_entries(file)]
    if not entries:
        raise Refusal(f"{path}: holds no tasks.", "`python -m runner tasks new FILE` writes some to begin with.")
    families = [family_of(entry, domain.families, wanted.rules.family) for entry in entries]
    refuse_all(
        path.name,
        [
            f"{entry}: {wrong}"
            for entry, family in zip(entries, families, strict=True)
            for wrong in own_problems(entry, family, domain.families, domain.name)
        ],
    )
    made = [_task(path, entry, family, domain, wanted) for entry, family in zip(entries, families, strict=True)]
    worlds: Worlds | None = import_module(domain.worlds) if domain.worlds else None  # type: ignore[assignment]
    made = told_worlds(path.name, entries, made, worlds)
    tasks = _split(made, entries, wanted.seed, _is_bench(path, files))
    where = {entry.data["id"]: entry for entry in entries}
    refuse_all(path.name, problems(tasks, domain.families), where)
    return sorted(tasks, key=lambda task: task.id)


def _task(path: Path, entry: Entry, family: str, domain: Domain, wanted: Wanted) -> Task:
    data = entry.data
    shown = entry.file.relative_to(path).as_posix() if path.is_dir() else entry.file.name
    folder = entry.file.parent.name if path.is_dir() and entry.file.parent != path else ""
    full = {"difficulty": 1, "near_misses": [], "cluster": data["id"], **data}
    task = task_of(full, family, domain.families, f"{shown}:{entry.line}")
    return replace(
        task,
        kind=data.get("kind") or folder,
        mod_name=data.get("mod_name") or wanted.mod_name,
        system=str(data.get("system") or "").strip(),
    )


def _is_bench(path: Path, files: Sequence[Path]) -> bool:
    return path.is_dir() and all(file.parent.parent == path for file in files)


def _split(tasks: Sequence[Task], entries: Sequence[Entry], seed: int, is_bench: bool) -> list[Task]:
    named = {
        task.cluster: entry.data["split"] for task, entry in zip(tasks, entries, strict=True) if "split" in entry.data
    }
    if is_bench:
        dev = {task.cluster for task in split_by_cluster(tasks) if task.split == "dev"}
    else:
        dev = set(dev_clusters([(task.family, task.cluster) for task in tasks if task.cluster not in named], seed))
    found = [named.get(task.cluster, "dev" if task.cluster in dev else "test") for task in tasks]
    # a task's own word stands even beside another of its cluster: that they contradict is told with its id
    own = [entry.data.get("split", split) for entry, split in zip(entries, found, strict=True)]
    return [replace(task, split=split) for task, split in zip(tasks, own, strict=True)]


def _part(tasks: Sequence[Task], split: str, count: int) -> list[Task]:
    """Return at most ``count`` tasks of a split (0: all), by the SHA-256 of their ids."""
    own = [task for task in tasks if task.split == split]
    chosen = sorted(own, key=lambda task: sha256(task.id.encode()).digest())[: count or len(own)]
    return sorted(chosen, key=lambda task: task.id)
