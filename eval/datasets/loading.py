"""A dataset by name: one of a domain's own, or JSON-lines files of the user's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from env.files import digest
from env.refusal import Refusal, choices_hint
from eval.datasets.bench_files import read_bench
from eval.datasets.public_format import read_public
from eval.datasets.public_tasks import Wanted
from eval.datasets.task_files import require_sound
from eval.domains import Domain, Worlds, dataset_names, domain_named
from eval.records import Dataset, Row, Task

# A dataset of the user's own files; every other name is a row of a domain's table.
FILES = "jsonl"


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """Which dataset, and how much of it.

    Attributes:
        name: a dataset of one of the domains, or "jsonl" (files of the user's own).
        domain: what the files of "jsonl" are about; a domain's own dataset defines it.
        eval_path, train_path: the files of "jsonl"; unused by the others.
        n_dev, n_test, n_train: how many tasks and rows are generated. Of a hand-written benchmark and of files 0 means
            all, and a number a fixed part: of files at most as many as there are.
        mod_name: the mod that programs of files run as; "" reads it from prompts and programs.
        waived: sources of training rows that are used although their licence does not allow training, by name.
        shuffle_answers: give every training row the answer of another (the negative control).
    """

    name: str = "luanti_mini"
    domain: str = "luanti"
    eval_path: str = ""
    train_path: str = ""
    seed: int = 0
    n_dev: int = 60
    n_test: int = 120
    n_train: int = 800
    shuffle_answers: bool = False
    mod_name: str = ""
    waived: tuple[str, ...] = ()


def load_dataset(settings: DatasetSettings) -> Dataset:
    """Return the dataset of ``settings``; the same settings and files give the same dataset.

    Raises:
        Refusal: no such dataset, a size that is not positive, unreadable files, or tasks that are not sound.
    """
    domain = domain_of(settings)
    dataset = _public(settings, domain) if settings.name == FILES else _own(settings, domain)
    return _shuffled(dataset, settings.seed) if settings.shuffle_answers else dataset


def domain_of(settings: DatasetSettings) -> Domain:
    """Return the domain of a dataset. Raises Refusal where there is no such dataset or domain."""
    if settings.name == FILES:
        return domain_named(settings.domain)
    names = dataset_names()
    if settings.name not in names:
        raise Refusal(f'dataset.name: no dataset "{settings.name}".', choices_hint(settings.name, [*names, FILES]))
    return domain_named(names[settings.name])


def is_generated(name: str) -> bool:
    """Whether a dataset is made to size, rather than hand-written or read."""
    names = dataset_names()
    return name in names and domain_named(names[name]).datasets[name].generated


def _own(settings: DatasetSettings, domain: Domain) -> Dataset:
    """Return a dataset of the project's own: hand-written task files or generated tasks, with its rows."""
    source = domain.datasets[settings.name]
    dealer = import_module(source.tasks)
    if source.generated:
        for key in ("n_dev", "n_test", "n_train"):
            if getattr(settings, key) < 1:
                raise Refusal(f"dataset.{key}: {getattr(settings, key)} is not a positive number.")
        sizes = {"dev": settings.n_dev, "test": settings.n_test}
        dealt = tuple(task for split, n in sizes.items() for task in dealer.tasks(split, n, settings.seed))
        require_sound(dealt, settings.name, domain.families)
    else:
        worlds: Worlds | None = import_module(domain.worlds) if domain.worlds else None  # type: ignore[assignment]
        every = read_bench(settings.name, Path(dealer.__path__[0]), domain.families, domain.mod_name, worlds)
        dealt = (*_part(every, "dev", settings.n_dev), *_part(every, "test", settings.n_test))
    trained = import_module(source.rows).rows(settings.n_train, settings.seed)
    content = {"tasks": [asdict(task) for task in dealt], "rows": [asdict(row) for row in trained]}
    return Dataset(settings.name, dealt, trained, digest({"settings": asdict(settings), "content": content}))


def _part(tasks: Sequence[Task], split: str, count: int) -> list[Task]:
    """Return ``count`` tasks of a split (0: all), by the SHA-256 of their ids: a mixture that grows with ``count``."""
    own = [task for task in tasks if task.split == split]
    if not 0 <= count <= len(own):
        raise Refusal(f"dataset: {count} {split} tasks were requested, the benchmark has {len(own)}.", "0 means all.")
    chosen = sorted(own, key=lambda task: sha256(task.id.encode()).digest())[: count or len(own)]
    return sorted(chosen, key=lambda task: task.id)


def _public(settings: DatasetSettings, domain: Domain) -> Dataset:
    for key in ("eval_path", "train_path"):
        if not getattr(settings, key):
            raise Refusal(f"dataset.{key}: not set.", f"Name a JSON-lines file: dataset.{key}=FILE")
    wanted = Wanted(settings.seed, settings.n_dev, settings.n_test, settings.mod_name, settings.waived)
    return read_public(Path(settings.eval_path), Path(settings.train_path), wanted, settings.n_train, domain)


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
