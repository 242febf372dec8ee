"""A dataset by name: one of a domain's own, or files of the user's: rows, or tasks with checks."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from env.files import digest
from env.refusal import BadSettings, Refusal, choices_hint
from eval.datasets.bench_files import read_bench
from eval.datasets.files.folders import ROWS, TASKS
from eval.datasets.files.hub import located
from eval.datasets.formats.layouts import layout_named
from eval.datasets.formats.rules import RowRules, Thoughts, Turns
from eval.datasets.formats.system_turns import SystemTurns
from eval.datasets.own_tasks.dataset import read_own
from eval.datasets.public_format import read_public
from eval.datasets.public_tasks import Wanted
from eval.datasets.task_files import require_sound
from eval.domains import DOMAINS, Domain, Worlds, dataset_names, domain_named
from eval.records import Dataset, Row, Task

# Every other name is a row of a domain's table.
OF_FILES = (ROWS, TASKS)
MOD_NAME = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """Which dataset, and how much of it.

    Attributes:
        name: a dataset of one of the domains, or of the user's own files: "jsonl" (items whose checks follow from their
            references) or "tasks" (tasks with checks of their own).
        domain: what the files are about, which task files may say themselves; None for a domain's own dataset, which
            defines it.
        eval, train: the files; unused by a domain's own datasets. "hub:OWNER/NAME" is a data set of the hub.
        family: of rows and items of files that name none; None leaves them without one.
        format: the layout that every training row of files must have, by its name; "auto" takes each row's own.
        turns: which turns of chats become training rows (``RowRules``).
        thoughts: what becomes of the thoughts at the head of training answers (``RowRules``).
        dev_tasks, test_tasks, rows: how many tasks and rows are generated. Of a hand-written benchmark and of files 0
            means all, and a number a fixed part: of files at most as many as there are.
        mod_name: the mod that programs of files run as; None reads it from prompts and programs.
        waived: sources of training rows that are used although their licence does not allow training, by name.
        system_turns: whether chats of files are asked under system turns of their own; "auto": where both files have
            some.
        shuffle_answers: give every training row the answer of another (the negative control).
        exclude_broken_references: measure without tasks whose own reference fails, instead of refusing them.
    """

    name: str
    domain: str | None
    eval: str | None
    train: str | None
    family: str | None
    format: str
    turns: Turns
    thoughts: Thoughts
    seed: int
    dev_tasks: Annotated[int, Ge(0)]
    test_tasks: Annotated[int, Ge(0)]
    rows: Annotated[int, Ge(0)]
    shuffle_answers: bool
    exclude_broken_references: bool
    mod_name: str | None
    waived: tuple[str, ...]
    system_turns: SystemTurns

    def __post_init__(self) -> None:
        """Raises Refusal naming the first key that is missing or contradicts the dataset's name."""
        layout_named(self.format)
        if self.name in OF_FILES:
            self._require_files()
            return
        own = domain_of(self)
        if self.domain not in (None, own.name):
            raise BadSettings(f"dataset.domain={self.domain}: {self.name} is of the domain {own.name}.")
        if self.mod_name is not None:
            raise BadSettings(f"dataset.mod_name is for files of your own: the tasks of {self.name} name their mod.")
        sizes = ("dev_tasks", "test_tasks", "rows") if own.datasets[self.name].generated else ("rows",)
        for key in sizes:
            if getattr(self, key) < 1:
                raise BadSettings(f"dataset.{key}: {self.name} needs at least 1.")

    def _require_files(self) -> None:
        unset = [key for key in ("eval", "train", "domain") if not getattr(self, key)]
        if unset:
            keys = ", ".join(f"dataset.{key}" for key in unset)
            fix = " ".join(f"dataset.{key}={'NAME' if key == 'domain' else 'FILE'}" for key in unset)
            raise BadSettings(f"{keys}: not set.", f"dataset={self.name} needs {fix}")
        domain = domain_of(self)
        if self.family is not None and self.family not in domain.families:
            raise BadSettings(
                f'dataset.family: the domain {domain.name} has no family "{self.family}".',
                choices_hint(self.family, domain.families),
            )
        if self.mod_name is not None and not domain.mod_name:
            raise BadSettings(f"dataset.mod_name={self.mod_name}: programs of the domain {domain.name} run in no mod.")
        if self.mod_name is not None and not MOD_NAME.fullmatch(self.mod_name):
            raise BadSettings(f"dataset.mod_name={self.mod_name!r}: a mod's name has only a-z, 0-9 and _, at most 64.")

    @property
    def tasks_known(self) -> bool:
        """Whether ``dev_tasks`` and ``test_tasks`` say how many tasks there will be, before the dataset is loaded."""
        return not self.is_of_files and self.dev_tasks > 0 and self.test_tasks > 0

    @property
    def is_of_files(self) -> bool:
        """Whether the tasks and rows are the user's own files, whose number shows only when they are read."""
        return self.name in OF_FILES


def load_dataset(settings: DatasetSettings) -> Dataset:
    """Return the dataset of ``settings``; the same settings and files give the same dataset.

    Raises:
        Refusal: no such dataset, a size that is not positive, unreadable files, or tasks that are not sound.
    """
    domain = domain_of(settings)
    read = {ROWS: _public, TASKS: _tasks}.get(settings.name, _own)
    dataset = read(settings, domain)
    return _shuffled(dataset, settings.seed) if settings.shuffle_answers else dataset


def domain_of(settings: DatasetSettings) -> Domain:
    """Return the domain of a dataset. Raises Refusal where there is no such dataset or domain."""
    if settings.is_of_files:
        named = settings.domain or ""
        if named not in DOMAINS:
            raise BadSettings(f'dataset.domain: no domain "{named}".', choices_hint(named, DOMAINS))
        return domain_named(named)
    names = dataset_names()
    if settings.name not in names:
        raise BadSettings(
            f'dataset.name: no dataset "{settings.name}".', choices_hint(settings.name, [*names, *OF_FILES])
        )
    return domain_named(names[settings.name])


def _own(settings: DatasetSettings, domain: Domain) -> Dataset:
    """Return a dataset of the project's own: hand-written task files or generated tasks, with its rows."""
    source = domain.datasets[settings.name]
    dealer = import_module(source.tasks)
    if source.generated:
        sizes = {"dev": settings.dev_tasks, "test": settings.test_tasks}
        dealt = tuple(task for split, n in sizes.items() for task in dealer.tasks(split, n, settings.seed))
        require_sound(dealt, settings.name, domain.families)
    else:
        worlds: Worlds | None = import_module(domain.worlds) if domain.worlds else None  # type: ignore[assignment]
        every = read_bench(settings.name, Path(dealer.__path__[0]), domain.families, domain.mod_name, worlds)
        dealt = (*_part(every, "dev", settings.dev_tasks), *_part(every, "test", settings.test_tasks))
    trained = import_module(source.rows).rows(settings.rows, settings.seed)
    content = {"tasks": [asdict(task) for task in dealt], "rows": [_row_content(row) for row in trained]}
    return Dataset(settings.name, dealt, trained, digest({"name": settings.name, **content}))


def _row_content(row: Row) -> dict[str, Any]:
    """Return what identifies a row; one without a dialogue as it was before there were any."""
    content = asdict(row)
    return content if row.dialogue is not None else {key: value for key, value in content.items() if key != "dialogue"}


def _part(tasks: Sequence[Task], split: str, count: int) -> list[Task]:
    """Return ``count`` tasks of a split (0: all), by the SHA-256 of their ids: a mixture that grows with ``count``."""
    own = [task for task in tasks if task.split == split]
    if not 0 <= count <= len(own):
        raise Refusal(f"dataset: {count} {split} tasks were requested, the benchmark has {len(own)}.", "0 means all.")
    chosen = sorted(own, key=lambda task: sha256(task.id.encode()).digest())[: count or len(own)]
    return sorted(chosen, key=lambda task: task.id)


def _public(settings: DatasetSettings, domain: Domain) -> Dataset:
    eval_path, train_path = located(settings.eval or ""), located(settings.train or "")
    return read_public(eval_path, train_path, _wanted(settings), settings.rows, domain)


def _tasks(settings: DatasetSettings, domain: Domain) -> Dataset:
    eval_path, train_path = Path(settings.eval or ""), located(settings.train or "")
    return read_own(eval_path, train_path, _wanted(settings), settings.rows, domain)


def _wanted(settings: DatasetSettings) -> Wanted:
    rules = RowRules(settings.family or "", settings.format, settings.turns, settings.thoughts)
    return Wanted(
        settings.seed,
        settings.dev_tasks,
        settings.test_tasks,
        settings.mod_name or "",
        settings.waived,
        settings.system_turns,
        rules,
    )


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
