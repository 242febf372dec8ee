"""Which rows training must not hold: those that the tiers of Gate A find a task in, until none is found any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from eval.curation.records import CuratedRow, Dropped, dropped_row
from eval.overlap.contamination import Contamination, Tier, leaking_rows, survey
from eval.records import Task

_WORDS: dict[Tier, str] = {"T1": "verbatim", "T2": "in long parts", "T3": "nearly"}


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


def leak_facts(rows: Sequence[CuratedRow], by_source: Mapping[str, Sequence[Task]]) -> dict[str, Any]:
    """Return, of each benchmark, how many of its tasks stand in ``rows``, each counted as Gate A counts it."""
    trained = [row.as_row(place + 1) for place, row in enumerate(rows)]
    return {name: _seen(survey(tasks, trained), len(tasks)) for name, tasks in by_source.items()}


def _seen(found: Contamination, total: int) -> dict[str, int]:
    tiers = Counter(found.tier_of().values())
    whole = {overlap.task_id for overlap in found.overlaps if overlap.part == "both"}
    told = {_WORDS[tier]: tiers[tier] for tier in _WORDS if tiers[tier]}
    answered = {"prompt and answer": len(whole)} if whole else {}
    return {"tasks": total, "found": sum(tiers.values()), **answered, **told}
