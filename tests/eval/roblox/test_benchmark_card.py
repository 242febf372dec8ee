"""The card of RobloxBench tells what its files hold, and every file ends with the canary string."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from eval.datasets.loading import load_dataset
from tests.support.runs import PROJECT
from tests.support.settings import dataset_settings

CARD = (PROJECT / "docs" / "robloxbench.md").read_text(encoding="utf-8")
BENCH = PROJECT / "eval" / "domains" / "roblox" / "bench"
CANARY = re.search(r"robloxbench canary GUID [0-9a-f-]{36}", CARD)


def test_the_card_counts_tasks_families_kinds_clusters_and_near_misses() -> None:
    tasks = load_dataset(dataset_settings(name="robloxbench", dev_tasks=0, test_tasks=0, rows=1)).tasks
    clusters = {split: len({task.cluster for task in tasks if task.split == split}) for split in ("dev", "test")}
    families = ", ".join(f"{name} {count}" for name, count in Counter(task.family for task in tasks).most_common())
    for told in (
        f"{len(tasks)} hand-written tasks",
        f"| families | {families} |",
        f"| kinds | {len({task.kind for task in tasks})},",
        f"{clusters['dev']} dev and {clusters['test']} test clusters",
        f"{sum(len(task.near_misses) for task in tasks)} near misses that they must reject",
    ):
        assert told in CARD, f"the card does not say: {told}"


def test_every_task_file_ends_with_the_canary_string() -> None:
    assert CANARY is not None
    files: list[Path] = [*BENCH.glob("*/*.yaml"), BENCH / "README.md"]
    assert len(files) > 40
    assert [file.name for file in files if CANARY[0] not in file.read_text(encoding="utf-8").splitlines()[-1]] == []
