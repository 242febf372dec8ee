"""Packed batches hold each row of a step once, in fewer rows, none of which is too long, and what is learnt is the same."""

from __future__ import annotations

import random

import pytest

from training.examples import TokenRow, answer_tokens
from training.packing import packed, packed_batches

pytestmark = pytest.mark.quick


def row(length: int, first: int = 0) -> TokenRow:
    return TokenRow(tuple(range(first, first + length)), max(1, length // 2))


@pytest.mark.parametrize("seed", range(5))
def test_every_row_is_in_one_batch_once_and_none_is_longer_than_it_may_be(seed: int) -> None:
    draw = random.Random(seed)
    step = [[row(draw.randint(2, 60), 100 * n + 1000 * k) for n in range(4)] for k in range(6)]
    found = packed_batches(step, 4, 64)
    given = [one for batch in step for one in batch]
    parts = [part for batch in found for line in batch for part in line.parts]
    assert sorted(part.ids for part in parts) == sorted(one.ids for one in given)
    assert sum(map(answer_tokens, found)) == answer_tokens(given)
    assert max(len(line.ids) for batch in found for line in batch) <= 64
    assert all(1 <= len(batch) <= 4 for batch in found)
    assert len(found) < len(step)


def test_rows_that_do_not_fit_beside_each_other_stay_as_they_are() -> None:
    rows = [row(10), row(9, 50), row(8, 90)]
    assert packed_batches([rows], 2, 16) == [rows[:2], rows[2:]]


def test_a_packed_row_is_its_examples_one_after_the_other() -> None:
    first, second = row(4), row(3, 50)
    both = packed([first, second])
    assert both.ids == (0, 1, 2, 3, 50, 51, 52)
    assert both.parts == (first, second)
    assert packed([first]) is first
