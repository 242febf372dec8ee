"""What training has seen of the tasks, as Gate A found it: by task, and in one sentence for the first page."""

from __future__ import annotations

from dataclasses import dataclass

from env.wording.listing import listed_text
from eval.overlap.contamination import Overlap, Tier
from gates.report.results import EnvironmentResults
from runner.views.artifacts import Artifacts

_LINES_SHOWN = 5
_HOW: dict[Tier, str] = {"T1": "word for word", "T2": "in long parts", "T3": "nearly"}


@dataclass(frozen=True, slots=True)
class Exposure:
    """Of one task: CLEAN, PARTIAL or CONTAMINATED, and a sentence for each place where training met it."""

    status: str
    sentences: tuple[str, ...] = ()


def read_exposures(found: Artifacts) -> dict[str, Exposure]:
    """Return the exposure of every task that training has seen anything of; {} where none, or where it is not told."""
    results = found.results(EnvironmentResults)
    if results is None:
        return {}
    sentences: dict[str, list[str]] = {}
    for overlap in results.contamination.overlaps:
        sentences.setdefault(overlap.task_id, []).append(_sentence(overlap))
    return {
        task_id: Exposure(str(leak.status), tuple(sentences.get(task_id, ())))
        for task_id, leak in results.contamination.tasks.items()
    }


def _sentence(overlap: Overlap) -> str:
    where = listed_text(overlap.lines, _LINES_SHOWN, overlap.rows)
    what = "prompt and answer" if overlap.part == "both" else overlap.part
    return f"{what} {_HOW[overlap.tier]} in training line {where} ({overlap.tier}): “{overlap.shared}”"


def contamination_sentence(found: Artifacts) -> str:
    """Return how many tasks training has seen in whole and in parts; '' before Gate A has looked."""
    results = found.results(EnvironmentResults)
    if results is None:
        return ""
    statuses = [exposure.status for exposure in read_exposures(found).values()]
    whole, parts = statuses.count("CONTAMINATED"), statuses.count("PARTIAL")
    # Gate A looks at every task, also at those it then leaves out.
    total = sum(results.contamination.counts.values())
    if not statuses:
        return f"Contamination: training has seen none of the {total} tasks."
    told = f"Contamination: of {total} tasks training has seen {whole} in whole"
    return f"{told} and {parts} in long parts." if parts else f"{told}."
