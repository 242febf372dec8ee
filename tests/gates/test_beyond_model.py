"""Samples that need the real engine are counted as not passed, and stop a gate where they are many or uneven."""

from __future__ import annotations

import pytest

from env.refusal import Refusal
from eval.pipeline.result import evaluate
from eval.records import Candidate, Completion, EvalResult, Outcome, Sample, Task, TaskCheck, Verdict
from gates.measuring.beyond_model import require_even, require_modelled

TASK = Task("terrain", "coding", "place", "c1", "test", "Do it.", "", "code", "x = 1", (TaskCheck("one", ""),))


def samples(beyond: int, total: int = 100, arm: str = "base") -> list[Sample]:
    """Return samples of one task, the first ``beyond`` of which need the real engine, the others passed."""
    outcomes = [Outcome.NEEDS_STUDIO if at < beyond else Outcome.PASSED for at in range(total)]
    return [
        Sample(
            "terrain",
            at,
            arm,
            at,
            Completion("x", "stop", 1),
            Candidate("x", "bare"),
            Verdict(outcome, "Terrain:Clear", 0.0, "v", "i"),
        )
        for at, outcome in enumerate(outcomes)
    ]


def result(beyond: int) -> EvalResult:
    return evaluate(samples(beyond), [TASK], "base", "test", [1])


def test_a_sample_that_needs_the_engine_is_not_passed_and_not_missing() -> None:
    (score,) = result(3).scores
    assert (score.n, score.c, score.missing) == (100, 97, 0)
    assert result(3).outcomes == {"PASSED": 97, "NEEDS_STUDIO": 3}


def test_two_in_a_hundred_are_let_through_and_three_are_not() -> None:
    require_modelled(samples(2), "the base")
    require_modelled([], "the base")
    with pytest.raises(Refusal, match=r"3 of 100 samples of the base need the real engine .*terrain: Terrain:Clear"):
        require_modelled(samples(3), "the base")


def test_arms_a_point_apart_are_compared_and_further_ones_are_not() -> None:
    require_even(result(1), result(2))
    with pytest.raises(Refusal, match=r"0\.0% of the base's samples and 2\.0% of the adapter's need the real engine"):
        require_even(result(0), result(2))
