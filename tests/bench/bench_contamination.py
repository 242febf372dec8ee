"""Seconds to survey 300 tasks against 10,000 training rows, beside comparing every pair of texts.

    python tests/bench/bench_contamination.py [--rows N] [--tasks N] [--words N]

Texts are random words with planted leaks, one of each tier in every hundred tasks, all of which must be found. The
comparison is only one of the three tiers: exact Jaccard of Python sets for all pairs, on a part of the tasks.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT))

from eval.overlap.contamination import survey  # noqa: E402
from eval.overlap.ngrams import normalise, tokens_of  # noqa: E402
from eval.records import Row, Task  # noqa: E402

COMPARED_TASKS = 5
Planted = dict[str, str]


def material(rows: int, tasks: int, words: int) -> tuple[list[Task], list[Row], Planted]:
    """Return tasks, rows and the tier of each planted leak: prompts of a third, answers of two thirds of ``words``."""
    chooser = random.Random(0)
    vocabulary = [f"word{number}" for number in range(20_000)]

    def text(count: int) -> str:
        return " ".join(chooser.choices(vocabulary, k=count))

    asked, answered = max(20, words // 3), max(40, words - words // 3)
    made = [
        Task(f"t{i}", "scaffold", "node", f"c{i}", "test", text(asked), "", "code", text(answered), ())
        for i in range(tasks)
    ]
    trained = [Row(text(asked), "", text(answered), "scaffold", line=i + 1) for i in range(rows)]
    planted: Planted = {}
    for at in range(0, tasks - 2, 100):
        whole, near, part = made[at : at + 3]
        trained[at] = Row(whole.instruction, "", text(answered), "scaffold", line=at + 1)
        trained[at + 1] = Row(near.instruction.rsplit(" ", 1)[0], "", text(answered), "scaffold", line=at + 2)
        trained[at + 2] = Row(text(asked), "", " ".join(part.reference.split()[5:25]), "scaffold", line=at + 3)
        planted |= {whole.id: "T1", near.id: "T3", part.id: "T2"}
    return made, trained, planted


def grams(text: str) -> set[tuple[str, ...]]:
    """Return the 5-grams of a text."""
    words = tokens_of(normalise(text))
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def all_pairs_s(tasks: list[Task], rows: list[Row]) -> float:
    """Return CPU seconds that T3 would take by comparing every task with every row, once the sets are made."""
    total = 0.0
    for ours, theirs in (("instruction", "instruction"), ("reference", "output")):
        sets = [grams(getattr(row, theirs)) for row in rows]
        started = time.process_time()
        for task in tasks[:COMPARED_TASKS]:
            own = grams(getattr(task, ours))
            sum(len(own & other) / len(own | other) >= 0.7 for other in sets)
        total += time.process_time() - started
    return total * len(tasks) / min(len(tasks), COMPARED_TASKS)


def main() -> None:
    """Print seconds, rows a second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--words", type=int, default=180)
    options = parser.parse_args()
    tasks, rows, planted = material(options.rows, options.tasks, options.words)
    started = time.process_time()
    found = survey(tasks, rows)
    survey_s = time.process_time() - started
    if found.tier_of() != planted:
        raise SystemExit(f"planted {planted}, found {found.tier_of()}")
    other_s = all_pairs_s(tasks, rows)
    print(
        f"{len(tasks)} tasks x {len(rows):,} rows of {options.words} words: {survey_s:.1f} s of CPU, "
        f"{len(rows) / survey_s:,.0f} rows/s, all {len(planted)} planted leaks found and nothing else\n"
        f"near-duplicates alone by comparing all pairs: about {other_s:.0f} s, {other_s / survey_s:.0f} x"
    )


if __name__ == "__main__":
    main()
