"""Training rows of RobloxBench: every form in its share, mixed."""

from __future__ import annotations

import random

from eval.domains.roblox.rows.trajectories import dealing as trajectories
from eval.records import Row

# Each form's module offers ``rows(n, seed)``; shares are of the whole.
FORMS = ((trajectories, 1.0),)


def rows(count: int, seed: int) -> tuple[Row, ...]:
    """Return ``count`` rows; the same numbers give the same ones.

    Raises:
        Refusal: a form's seeds give fewer than its share.
    """
    whole = sum(share for _, share in FORMS)
    sizes = [round(count * share / whole) for _, share in FORMS]
    sizes[0] += count - sum(sizes)
    found = [row for (form, _), size in zip(FORMS, sizes, strict=True) for row in form.rows(size, seed)]
    random.Random(f"roblox rows/{seed}").shuffle(found)
    return tuple(found)
