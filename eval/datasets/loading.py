"""A dataset by name: the project's benchmark with its rows, generated Luanti tasks, or public JSON-lines files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from env.files import digest
from env.refusal import Refusal, choices_hint
from eval.datasets.task_files import require_sound
from eval.records import Dataset, Row, Task

DATASETS = ("luantibench", "luanti_mini", "jsonl")


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """Which dataset, and how much of it.

    Attributes:
        name: "luantibench" (with the project's own rows), "luanti_mini" (generated) or "jsonl" (public files).
        eval_path, train_path: the files of "jsonl"; unused by the others.
        n_dev, n_test, n_train: how many tasks and rows are generated; unused by "jsonl". For "luantibench" 0 dev or
            test tasks means all of that split, and a number a fixed part of it.
        shuffle_answers: give every training row the answer of another (the negative control).
    """

    name: str = "luanti_mini"
    eval_path: str = ""
    train_path: str = ""
    seed: int = 0
    n_dev: int = 60
    n_test: int = 120
    n_train: int = 800
    shuffle_answers: bool = False


def load_dataset(settings: DatasetSettings) -> Dataset:
    """Return the dataset of ``settings``; the same settings and files give the same dataset.

    Raises:
        Refusal: no such dataset, a size that is not positive, unreadable files, or tasks that are not sound.
    """
    if settings.name == "luantibench":
        dataset = _bench(settings)
    elif settings.name == "luanti_mini":
        dataset = _generated(settings)
    elif settings.name == "jsonl":
        dataset = _public(settings)
    else:
        raise Refusal(f'dataset.name: no dataset "{settings.name}".', choices_hint(settings.name, DATASETS))
    return _shuffled(dataset, settings.seed) if settings.shuffle_answers else dataset


def _generated(settings: DatasetSettings) -> Dataset:
    from eval.domains.luanti.mini.generate import rows, tasks

    for key in ("n_dev", "n_test", "n_train"):
        if getattr(settings, key) < 1:
            raise Refusal(f"dataset.{key}: {getattr(settings, key)} is not a positive number.")
    dealt = (*tasks("dev", settings.n_dev, settings.seed), *tasks("test", settings.n_test, settings.seed))
    require_sound(dealt, settings.name)
    trained = rows(settings.n_train, settings.seed)
    content = {"tasks": [asdict(task) for task in dealt], "rows": [asdict(row) for row in trained]}
    return Dataset(settings.name, dealt, trained, digest({"settings": asdict(settings), "content": content}))


def _bench(settings: DatasetSettings) -> Dataset:
    from eval.datasets.bench_files import read_bench
    from eval.datasets.seed_rows import rows

    tasks = read_bench()
    dealt = (*_part(tasks, "dev", settings.n_dev), *_part(tasks, "test", settings.n_test))
    trained = rows(settings.n_train, settings.seed)
    content = {"tasks": [asdict(task) for task in dealt], "rows": [asdict(row) for row in trained]}
    return Dataset(settings.name, dealt, trained, digest({"settings": asdict(settings), "content": content}))


def _part(tasks: Sequence[Task], split: str, count: int) -> list[Task]:
    """Return ``count`` tasks of a split (0: all), by the SHA-256 of their ids: a mixture that grows with ``count``."""
    own = [task for task in tasks if task.split == split]
    if not 0 <= count <= len(own):
        raise Refusal(f"dataset: {count} {split} tasks were requested, the benchmark has {len(own)}.", "0 means all.")
    chosen = sorted(own, key=lambda task: sha256(task.id.encode()).digest())[: count or len(own)]
    return sorted(chosen, key=lambda task: task.id)


def _public(settings: DatasetSettings) -> Dataset:
    from eval.datasets.public_format import read_public

    for key in ("eval_path", "train_path"):
        if not getattr(settings, key):
            raise Refusal(f"dataset.{key}: not set.", f"Name a JSON-lines file: dataset.{key}=FILE")
    return read_public(Path(settings.eval_path), Path(settings.train_path), settings.seed)


def _shuffled(dataset: Dataset, seed: int) -> Dataset:
    note = "training answers were shuffled among the rows: a negative control"
    return replace(
        dataset,
        rows=shuffle_answers(dataset.rows, seed),
        digest=digest({"shuffled": dataset.digest, "seed": seed}),
        notes=(*dataset.notes, note),
    )


def shuffle_answers(rows: Sequence[Row], seed: int) -> tuple[Row, ...]:
    """Return ``rows`` with their outputs moved along one random cycle, so that no row keeps its own.

    Raises Refusal for fewer than two rows.
    """
    if len(rows) < 2:
        raise Refusal(f"shuffle_answers: {len(rows)} rows cannot exchange answers.", "Use at least two.")
    cycle = random.Random(f"shuffle_answers/{seed}").sample(range(len(rows)), len(rows))
    giver = dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    return tuple(replace(row, output=rows[giver[index]].output) for index, row in enumerate(rows))
