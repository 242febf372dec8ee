"""Whether the tasks carry a dev and a test split of their own, or all of them must act as dev under max-T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from eval.decision.guards import FEW_CLUSTERS
from eval.records import SPLITS, Dataset, Task

Selection = Literal["split", "max-t"]
# Below this no interval can be given at all.
MIN_CLUSTERS = 2


def split_sizes(tasks: Sequence[Task]) -> dict[str, int]:
    """Return tasks and clusters per split: dev_tasks, dev_clusters, test_tasks, test_clusters."""
    sizes = {}
    for split in SPLITS:
        mine = [task for task in tasks if task.split == split]
        sizes[f"{split}_tasks"], sizes[f"{split}_clusters"] = len(mine), len({task.cluster for task in mine})
    return sizes


def choose_selection(asked: Literal["auto", "split", "max-t"], tasks: Sequence[Task]) -> tuple[Selection, str]:
    """Return how the cell is chosen and judged, and why (DECISION.md, protocol step 6).

    "auto" splits unless test would rest on fewer than 20 clusters, where the t interval on G - 1 degrees of freedom is
    itself doubtful, or dev on fewer than 2, where no gain has a bound.
    """
    if asked != "auto":
        return asked, f"rule.selection={asked}"
    sizes = split_sizes(tasks)
    test, dev = sizes["test_clusters"], sizes["dev_clusters"]
    if test >= FEW_CLUSTERS and dev >= MIN_CLUSTERS:
        return "split", f"the test tasks stand in {test} clusters, at least {FEW_CLUSTERS}"
    if test < FEW_CLUSTERS:
        lack = f"the test tasks would stand in {test} clusters, and with fewer than {FEW_CLUSTERS} a bound is doubtful"
    else:
        lack = f"the dev tasks would stand in {dev} clusters, and a choice needs at least {MIN_CLUSTERS}"
    return "max-t", f"{lack}: all tasks choose and judge, and the bounds pay for the number of cells"


def all_dev(dataset: Dataset) -> Dataset:
    """Return the dataset with every task in dev: under max-T no task is kept unseen."""
    return replace(dataset, tasks=tuple(replace(task, split="dev") for task in dataset.tasks))
