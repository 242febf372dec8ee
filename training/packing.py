"""Short training rows side by side in one, so that fewer forwards hold less padding: pure functions of a step's rows.

The loss of a step is a sum over its answer tokens, so packing changes it, and its gradients, by rounding alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.examples import TokenRow


@dataclass(frozen=True, slots=True)
class PackedRow(TokenRow):
    """Several examples side by side, none of which may see another; ``prompt_length`` is the first one's."""

    together: tuple[TokenRow, ...]

    @property
    def parts(self) -> tuple[TokenRow, ...]:
        """The examples, in the order of their tokens."""
        return self.together


def packed(parts: Sequence[TokenRow]) -> TokenRow:
    """Return one row that holds ``parts`` side by side; of a single one, itself."""
    if len(parts) == 1:
        return parts[0]
    return PackedRow(tuple(token for part in parts for token in part.ids), parts[0].prompt_length, tuple(parts))


def packed_batches(batches: Sequence[Sequence[TokenRow]], batch_size: int, max_length: int) -> list[list[TokenRow]]:
    """Return the rows of one optimizer step, short ones packed, in batches of at most ``batch_size``, longest first.

    No packed row takes more than ``max_length`` tokens, the longest that a row may have: so no batch takes more memory
    than was estimated for one. Rows go, longest first, to the first place with room (first-fit decreasing, Johnson et
    al. 1974, doi:10.1137/0203025: at most 11/9 of the fewest possible rows, and four).
    """
    rows = sorted((row for batch in batches for row in batch), key=lambda row: -len(row.ids))
    places: list[list[TokenRow]] = []
    room: list[int] = []
    for row in rows:
        found = next((number for number, left in enumerate(room) if left >= len(row.ids)), None)
        if found is None:
            found = len(places)
            places.append([])
            room.append(max_length)
        places[found].append(row)
        room[found] -= len(row.ids)
    together = sorted(map(packed, places), key=lambda row: -len(row.ids))
    return [together[start : start + batch_size] for start in range(0, len(together), batch_size)]
