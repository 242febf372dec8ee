"""Samples whose verdict is that they need the real engine: not passed, and a stop where they are many or uneven.

A program must not gain by leaving what the model of an engine holds, so such a sample counts as not passed. Where there
are many, or more in one arm than in the other, the counts no longer say which arm is better.
"""

from __future__ import annotations

from collections.abc import Sequence

from env.refusal import Refusal
from eval.records import EvalResult, Outcome, Sample

# An effect that a decision acts on is 10 points and more; these shares cannot turn it.
LIMIT_PCT, GAP_PP = 2.0, 1.0
_FIX = "Use a verifier with the real engine, or exclude the tasks that lead there; stored samples are kept."


def require_modelled(samples: Sequence[Sample], whose: str) -> None:
    """Refuse where more than ``LIMIT_PCT`` of ``samples`` need the real engine; name the tasks and the first reason."""
    beyond = [sample for sample in samples if sample.verdict.outcome is Outcome.NEEDS_STUDIO]
    if len(beyond) * 100 > LIMIT_PCT * len(samples):
        tasks = ", ".join(sorted({sample.task_id for sample in beyond})[:5])
        raise Refusal(
            f"{len(beyond)} of {len(samples)} samples of {whose} need the real engine (limit {LIMIT_PCT:g}%), such as "
            f"those of {tasks}: {beyond[0].verdict.detail}",
            _FIX,
        )


def require_even(base: EvalResult, cell: EvalResult) -> None:
    """Refuse where the two arms' shares of such samples differ by more than ``GAP_PP`` points."""
    shares = [100 * result.outcomes.get(Outcome.NEEDS_STUDIO, 0) / max(1, result.samples) for result in (base, cell)]
    if abs(shares[0] - shares[1]) > GAP_PP:
        raise Refusal(
            f"{shares[0]:.1f}% of the base's samples and {shares[1]:.1f}% of the adapter's need the real engine: more "
            f"than {GAP_PP:g} point apart, so their counts cannot be compared.",
            _FIX,
        )
