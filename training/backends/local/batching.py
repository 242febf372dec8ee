"""Which samples generate together: a pure function of prompt lengths, counts and batch size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Some samples of one request: ``samples`` are positions in its seeds."""

    request: int
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Shares that generate together."""

    shares: tuple[Share, ...]

    @property
    def rows(self) -> int:
        """How many samples it holds."""
        return sum(len(share.samples) for share in self.shares)

    @property
    def members(self) -> list[tuple[int, int]]:
        """(Request number, position in its seeds) of each row, in order."""
        return [(share.request, sample) for share in self.shares for sample in share.samples]


def plan_batches(prompt_lengths: Sequence[int], sample_counts: Sequence[int], batch_size: int) -> list[Batch]:
    """Return batches of at most ``batch_size`` rows that hold every sample once, longest prompts first.

    Requests go in order of prompt length, so that little is padded; a request is split only when its samples alone
    exceed a batch. Longest first, because several processes then end at about the same time.
    """
    order = sorted(range(len(prompt_lengths)), key=lambda request: (-prompt_lengths[request], request))
    batches: list[Batch] = []
    current: list[Share] = []
    rows = 0
    for share in _shares(order, sample_counts, batch_size):
        if current and rows + len(share.samples) > batch_size:
            batches.append(Batch(tuple(current)))
            current, rows = [], 0
        current.append(share)
        rows += len(share.samples)
    return [*batches, Batch(tuple(current))] if current else batches


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Return the batch as two with half the rows each; it must hold at least two."""
    members = batch.members
    if len(members) < 2:
        raise ValueError("a batch of one row cannot be halved")
    middle = (len(members) + 1) // 2
    return _batch_of(members[:middle]), _batch_of(members[middle:])


def without(batch: Batch, ended: Collection[tuple[int, int]]) -> Batch:
    """Return the batch without the rows whose members have ``ended``."""
    return _batch_of([member for member in batch.members if member not in ended])


def balanced_rows(rows: int, batch_size: int, processes: int) -> int:
    """Return the batch size, at most ``batch_size``, at which every process gets equally many batches."""
    rounds = -(-rows // (batch_size * processes))
    return max(1, -(-rows // max(1, rounds * processes)))


def _shares(order: Sequence[int], sample_counts: Sequence[int], batch_size: int) -> Iterator[Share]:
    for request in order:
        samples = range(sample_counts[request])
        for start in range(0, len(samples), batch_size):
            yield Share(request, tuple(samples[start : start + batch_size]))


def _batch_of(members: Sequence[tuple[int, int]]) -> Batch:
    by_request: dict[int, list[int]] = {}
    for request, sample in members:
        by_request.setdefault(request, []).append(sample)
    return Batch(tuple(Share(request, tuple(samples)) for request, samples in by_request.items()))
