"""Training rows as tasks: what a model can be asked in training and be told by execution whether it is right."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from eval.datasets.loading import OF_FILES, DatasetSettings, domain_of
from eval.dealing.checked_rows import task_of
from eval.records import Task


def training_tasks(settings: DatasetSettings, count: int) -> tuple[Task, ...]:
    """Return the first ``count`` training rows of a dataset that carry checks, as tasks; 0 is as many as its rows.

    More than ``settings.rows`` are dealt from the same stream: tasks whose answer is no training row. Rows of files
    carry no checks: () for them. The reference of a task is its row's own answer, whatever shuffles the rows'.

    Raises:
        Refusal: the dataset has fewer rows.
    """
    if settings.name in OF_FILES:
        return ()
    domain = domain_of(settings)
    dealer = import_module(domain.datasets[settings.name].rows)
    # a mixture of forms depends on how many rows there are: it is dealt as the rows are
    dealt = dealer.rows_with_checks(max(settings.rows, count), settings.seed)[: count or settings.rows]
    tasks = (task_of(row, number, domain.mod_name) for number, row in enumerate(dealt, start=1))
    return tuple(replace(task, id=f"train.{task.id}") for task in tasks)
