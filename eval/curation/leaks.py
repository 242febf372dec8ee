"""Which rows training must not hold: those that the tiers of Gate A find a task in, until none is found any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from eval.curation.records import CuratedRow, Dropped, dropped_row
from eval.overlap.contamination import Tier, leaking_rows
from eval.records import Task

_WORDS = {"T1": "verbatim", "T2": "in long parts", "T3": "nearly"}


def without_leaks(
    rows: Sequence[CuratedRow], tasks: Sequence[Task], tiers: Collection[Tier]
) -> tuple[list[CuratedRow], list[Dropped]]:
    """Return the rows that hold nothing of ``tasks``, and the others with the task, the tier and the part.

    A phrase is common, and no evidence, where more than one text in twenty holds it: with rows gone it may not be so
    any more. So what is left is looked at again.
    """
    kept, dropped = list(rows), []
    while found := leaking_rows(tasks, [row.as_row(place + 1) for place, row in enumerate(kept)], tiers):
        dropped += [
            dropped_row(kept[place], f"a benchmark stands in it {_WORDS[leak.tier]} ({leak.tier})", str(leak))
            for place, leak in sorted(found.items())
        ]
        kept = [row for place, row in enumerate(kept) if place not in found]
    return kept, dropped


def leak_facts(tasks: Sequence[Task], dropped: Sequence[Dropped]) -> dict[str, Any]:
    """Return how many tasks were compared, and which of them stood in the rows most often."""
    named = Counter(one.detail.partition(":")[0] for one in dropped)
    return {"tasks compared": len(tasks), "tasks found": len(named), "found most": dict(named.most_common(10))}
