"""Near-duplicates among many texts: what every pair would find is found, in any size of group."""

from __future__ import annotations

import random

import pytest

from eval.overlap.near_duplicates import equal_links, groups_of, near_links, shingled
from eval.overlap.ngrams import jaccard

WORDS = [f"word{number}" for number in range(400)]


def texts_with_copies(stream: random.Random, count: int) -> list[str]:
    """Return texts of which every third is an earlier one with a few words changed."""
    texts: list[list[str]] = []
    for number in range(count):
        if number % 3 == 2:
            own = list(texts[stream.randrange(number)])
            for _ in range(stream.choice((0, 1, 2, 4))):
                own[stream.randrange(len(own))] = stream.choice(WORDS)
        else:
            own = stream.choices(WORDS, k=stream.randint(30, 120))
        texts.append(own)
    return [" ".join(own) for own in texts]


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.95])
def test_the_pairs_are_those_that_comparing_every_pair_finds(threshold: float) -> None:
    texts = texts_with_copies(random.Random(3), 240)
    shingles = shingled(texts, 5)
    every = {
        (left, right)
        for left in range(len(texts))
        for right in range(left + 1, len(texts))
        if jaccard(shingles.of(left), shingles.of(right)) >= threshold
    }
    found = near_links(shingles, threshold)
    assert {(pair.left, pair.right) for pair in found} == every
    assert len(every) > 10
    assert all(pair.jaccard == jaccard(shingles.of(pair.left), shingles.of(pair.right)) for pair in found)


def test_a_large_group_is_joined_without_comparing_every_pair() -> None:
    stream = random.Random(5)
    base = stream.choices(WORDS, k=200)
    texts = [" ".join([*base, f"end{number}"]) for number in range(300)] + ["quite another text of a few words"]
    links = near_links(shingled(texts, 5), 0.9)
    assert len(links) < 600, "300 texts have 44,850 pairs"
    assert groups_of(len(texts), [(pair.left, pair.right) for pair in links]) == [0] * 300 + [300]


def test_empty_and_short_texts_match_only_their_equals() -> None:
    links = near_links(shingled(["", "", "a b", "a b", "a c", "A  B"], 5), 0.9)
    assert {(pair.left, pair.right) for pair in links} == {(2, 3), (2, 5), (3, 5)}
    assert near_links(shingled([], 5), 0.9) == []
    assert equal_links(["", "x", "", "x", "y"]) == [(1, 3)]


def test_the_order_of_the_links_and_their_hashes_are_the_same_in_every_process() -> None:
    texts = texts_with_copies(random.Random(9), 60)
    one, other = (near_links(shingled(texts, 5), 0.7) for _ in range(2))
    assert one == other == sorted(one, key=lambda pair: (pair.left, pair.right))
