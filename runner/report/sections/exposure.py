"""What training has seen of the tasks, as Gate A found it: by task, and in one sentence for the first page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.views.artifacts import Artifacts
from runner.views.wording import listed_text

_LINES_SHOWN = 5
_HOW = {"T1": "word for word", "T2": "in long parts", "T3": "nearly"}


@dataclass(frozen=True, slots=True)
class Exposure:
    """Of one task: CLEAN, PARTIAL or CONTAMINATED, and a sentence for each place where training met it."""

    status: str
    sentences: tuple[str, ...] = ()


def read_exposures(found: Artifacts) -> dict[str, Exposure]:
    """Return the exposure of every task that training has seen anything of; {} where none, or where it is not told."""
    told = found.table("a", "contamination")
    if told is None:
        return {str(task): Exposure("CONTAMINATED") for task in found.table("a", "contaminated") or ()}
    sentences: dict[str, list[str]] = {}
    for overlap in told["overlaps"]:
        sentences.setdefault(str(overlap["task_id"]), []).append(_sentence(overlap))
    return {
        str(task): Exposure(str(row["status"]), tuple(sentences.get(str(task), ())))
        for task, row in told["tasks"].items()
    }


def _sentence(overlap: Mapping[str, Any]) -> str:
    where = listed_text(overlap["lines"], _LINES_SHOWN, int(overlap["rows"]))
    what = "prompt and answer" if overlap["part"] == "both" else str(overlap["part"])
    tier = str(overlap["tier"])
    return f"{what} {_HOW.get(tier, '')} in training line {where} ({tier}): “{overlap['shared']}”"


def contamination_sentence(found: Artifacts) -> str:
    """Return how many tasks training has seen in whole and in parts; '' before Gate A has looked."""
    dataset = found.table("a", "dataset")
    if dataset is None:
        return ""
    statuses = [exposure.status for exposure in read_exposures(found).values()]
    whole, parts = statuses.count("CONTAMINATED"), statuses.count("PARTIAL")
    # Gate A looks at every task, also at those it then leaves out.
    table = found.table("a", "contamination")
    total = sum(table["counts"].values()) if table is not None else int(dataset["tasks"])
    if not statuses:
        return f"Contamination: training has seen none of the {total} tasks."
    told = f"Contamination: of {total} tasks training has seen {whole} in whole"
    return f"{told} and {parts} in long parts." if parts else f"{told}."
