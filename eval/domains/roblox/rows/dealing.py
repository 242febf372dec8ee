"""Training rows of RobloxBench: every form in its share, mixed."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from eval.dealing.checked_rows import CheckedRow
from eval.domains.roblox.rows.plans import dealing as plan_rows
from eval.domains.roblox.rows.programs import dealing as program_rows
from eval.domains.roblox.rows.trajectories import dealing as trajectory_rows
from eval.records import Row

# What deals each family, and its share of the whole.
FORMS: tuple[tuple[Callable[[int, int], tuple[CheckedRow, ...]], float], ...] = (
    (trajectory_rows.dealt, 0.24),
    (plan_rows.dealt, 0.06),
    (partial(program_rows.dealt, "coding"), 0.20),
    (partial(program_rows.dealt, "architecture"), 0.10),
    (partial(program_rows.dealt, "typing"), 0.09),
    (partial(program_rows.dealt, "bugfix"), 0.14),
    # one repair in three answers with a diff, as in the benchmark
    (partial(program_rows.dealt, "bugfix", answer="diff"), 0.07),
    (partial(program_rows.dealt, "refactor"), 0.10),
)


def rows(count: int, seed: int) -> tuple[Row, ...]:
    """Return ``count`` rows; the same numbers give the same ones.

    Raises:
        Refusal: a form's seeds give fewer than its share.
    """
    return tuple(dealt.row for dealt in rows_with_checks(count, seed))


def rows_with_checks(count: int, seed: int) -> tuple[CheckedRow, ...]:
    """Return the rows of ``rows`` with their checks. Raises as ``rows``."""
    sizes = [round(count * share) for _, share in FORMS]
    sizes[0] += count - sum(sizes)
    found = [row for (form, _), size in zip(FORMS, sizes, strict=True) for row in form(size, seed)]
    random.Random(f"roblox rows/{seed}").shuffle(found)
    return tuple(found)
