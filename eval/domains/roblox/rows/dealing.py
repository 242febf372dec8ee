"""Training rows of RobloxBench: every form in its share, mixed."""

from __future__ import annotations

import random

from eval.domains.roblox.rows.plans import dealing as plan_rows
from eval.domains.roblox.rows.programs.dealing import pairs, repairs
from eval.domains.roblox.rows.trajectories import dealing as trajectory_rows
from eval.records import Row

# What deals each form, and its share of the whole.
FORMS = ((trajectory_rows.rows, 0.25), (plan_rows.rows, 0.05), (pairs, 0.36), (repairs, 0.34))


def rows(count: int, seed: int) -> tuple[Row, ...]:
    """Return ``count`` rows; the same numbers give the same ones.

    Raises:
        Refusal: a form's seeds give fewer than its share.
    """
    sizes = [round(count * share) for _, share in FORMS]
    sizes[0] += count - sum(sizes)
    found = [row for (form, _), size in zip(FORMS, sizes, strict=True) for row in form(size, seed)]
    random.Random(f"roblox rows/{seed}").shuffle(found)
    return tuple(found)
