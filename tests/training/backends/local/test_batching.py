"""Which samples generate together: every one once, in batches that fit, halved when they do not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from training.backends.local.batching import balanced_rows, halves, plan_batches


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=20), st.integers(1, 16), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_sample_is_planned_once_and_no_batch_is_too_large(
    asked: list[tuple[int, int]], batch_size: int, processes: int
) -> None:
    lengths, counts = [length for length, _ in asked], [count for _, count in asked]
    rows = balanced_rows(sum(counts), batch_size, processes)
    batches = plan_batches(lengths, counts, rows)
    planned = [(share.request, sample) for batch in batches for share in batch.shares for sample in share.samples]
    assert sorted(planned) == [(request, sample) for request, count in enumerate(counts) for sample in range(count)]
    assert all(0 < batch.rows <= rows <= batch_size for batch in batches)


def test_halves_hold_the_same_samples() -> None:
    (batch,) = plan_batches([5, 3], [3, 4], 7)
    first, second = halves(batch)
    assert (first.rows, second.rows) == (4, 3)
    samples = {(share.request, sample) for half in (first, second) for share in half.shares for sample in share.samples}
    assert len(samples) == 7
