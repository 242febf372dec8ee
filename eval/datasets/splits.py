"""Whether the tasks have a dev and a test split, or all of them must act as dev under max-T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from env.wording.counts import counted
from eval.decision.guards import FEW_CLUSTERS
from eval.records import SPLITS, Dataset, Task

Selection = Literal["split", "max-t"]
# With fewer no interval is defined.
MIN_CLUSTERS = 2


def split_sizes(tasks: Sequence[Task]) -> dict[str, int]:
    """Return tasks and clusters per split: dev_tasks, dev_clusters, test_tasks, test_clusters."""
    sizes = {}
    for split in SPLITS:
        mine = [task for task in tasks if task.split == split]
        sizes[f"{split}_tasks"], sizes[f"{split}_clusters"] = len(mine), len({task.cluster for task in mine})
    return sizes


def choose_selection(asked: Literal["auto", "split", "max-t"], tasks: Sequence[Task]) -> tuple[Selection, str]:
    """Return how the cell is selected and decided on, and why (docs/decision-rule.md, protocol step 6).

    "auto" splits unless test would have fewer than 20 clusters, where the t interval on G - 1 degrees of freedom is
    itself unreliable, or dev fewer than 2, where no gain has a bound.
    """
    if asked != "auto":
        return asked, f"rule.selection={asked}"
    sizes = split_sizes(tasks)
    test, dev = sizes["test_clusters"], sizes["dev_clusters"]
    if test >= FEW_CLUSTERS and dev >= MIN_CLUSTERS:
        return "split", f"the test tasks form {counted(test, 'cluster')}, at least {FEW_CLUSTERS}"
    if test < FEW_CLUSTERS:
        formed = counted(test, "cluster")
        lack = f"the test tasks would form {formed}, and with fewer than {FEW_CLUSTERS} a bound is unreliable"
    else:
        lack = f"the dev tasks would form {counted(dev, 'cluster')}, and a choice needs at least {MIN_CLUSTERS}"
    return (
        "max-t",
        f"{lack}: all tasks serve for selection and decision, and the bounds are corrected for the number of cells",
    )


def all_dev(dataset: Dataset) -> Dataset:
    """Return the dataset with every task in dev: under max-T no task is reserved."""
    return replace(dataset, tasks=tuple(replace(task, split="dev") for task in dataset.tasks))
