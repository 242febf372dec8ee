"""Near-duplicates among a million rows: CPU seconds and memory, what was found of what was planted, and rensa beside.

    python tests/bench/bench_near_duplicates.py [--rows N] [--words N] [--compare]

Rows are random words; every tenth is an earlier row with one word in forty changed. Each planted pair's exact index is
known, so what is missed is counted. ``--compare`` runs rensa (pip install rensa) with the same bands and n-grams.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT))

from eval.overlap.near_duplicates import equal_links, groups_of, near_links, shingled  # noqa: E402
from eval.overlap.ngrams import jaccard, normalise, tokens_of  # noqa: E402

THRESHOLD, GRAM = 0.7, 5
VOCABULARY = [f"word{number}" for number in range(20_000)]


def rows_of(count: int, words: int) -> Iterator[tuple[str, int]]:
    """Yield texts, each with the position that it was copied from; -1 of one that is new."""
    stream = random.Random(0)
    kept: dict[int, list[str]] = {}
    for number in range(count):
        if number % 10 == 9:
            origin = number - 9
            own = list(kept.pop(origin))
            for _ in range(max(1, words // 40)):
                own[stream.randrange(words)] = stream.choice(VOCABULARY)
            yield " ".join(own), origin
        else:
            own = stream.choices(VOCABULARY, k=words)
            if number % 10 == 0:
                kept[number] = own
            yield " ".join(own), -1


def memory_mb() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(name: str, work: Callable[[], int]) -> None:
    """Print how long ``work`` takes and what it returns."""
    cpu_s, wall_s = time.process_time(), time.monotonic()
    found = work()
    told = f"{time.process_time() - cpu_s:8.1f} CPU s  {time.monotonic() - wall_s:8.1f} s  peak {memory_mb():7,.0f} MB"
    print(f"{name:<34}{told}  {found:,}", flush=True)


def ours(texts: list[str], planted: list[tuple[int, int]]) -> int:
    """Return how many of the planted pairs are in one group, after exact and near deduplication."""
    shingles = shingled(texts, GRAM)
    pairs = [(pair.left, pair.right) for pair in near_links(shingles, THRESHOLD)]
    groups = groups_of(len(texts), [*equal_links(texts), *pairs])
    due = [pair for pair in planted if jaccard(shingles.of(pair[0]), shingles.of(pair[1])) >= THRESHOLD]
    missed = sum(groups[left] != groups[right] for left, right in due)
    print(f"{len(due):,} planted pairs with J ≥ {THRESHOLD}, {missed:,} of them missed", flush=True)
    return len(texts) - len(set(groups))


def grams_of(text: str) -> list[str]:
    """Return the 5-grams of a text as the library takes them."""
    words = tokens_of(normalise(text))
    return [" ".join(words[at : at + GRAM]) for at in range(len(words) - GRAM + 1)]


def by_rensa(texts: list[str]) -> int:
    """Return how many rows rensa's index finds a candidate for among those before them, each confirmed exactly."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=THRESHOLD, num_perm=128, num_bands=32)
    repeated = 0
    sets: list[set[str]] = []
    for number, text in enumerate(texts):
        grams = grams_of(text)
        sketch = RMinHash(num_perm=128, seed=42)
        sketch.update(grams)
        own = set(grams)
        found = any(len(own & sets[at]) >= THRESHOLD * len(own | sets[at]) for at in index.query(sketch))
        repeated += found
        sets.append(own)
        index.insert(number, sketch)
    return repeated


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=80)
    parser.add_argument("--compare", action="store_true", help="run rensa too")
    options = parser.parse_args()
    texts, planted = [], []
    for number, (text, origin) in enumerate(rows_of(options.rows, options.words)):
        texts.append(text)
        if origin >= 0:
            planted.append((origin, number))
    print(
        f"{len(texts):,} rows of {options.words} words, {memory_mb():,.0f} MB before anything is compared", flush=True
    )
    measured("exact and near, rows that repeat", lambda: ours(texts, planted))
    if options.compare:
        measured("rensa with an exact check", lambda: by_rensa(texts))


if __name__ == "__main__":
    main()
