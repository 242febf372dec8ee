"""What a turn gave: pass@1 after it, what it fixed and broke, its tokens, and what these buy in fresh samples. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.correcting.turns import by_key
from eval.estimation.estimators import TaskValues, pass_at_k
from eval.estimation.intervals import RESAMPLES, SEED, estimate_gain, estimate_rate, gain_metric, rate_metric
from eval.pipeline.result import pass_metrics, score_tasks
from eval.records import Metric, Outcome, Sample, Task, TaskScore

# Sums of tokens are compared with this relative tolerance.
_EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Fresh:
    """The same tokens spent on fresh samples of the same task, which also stop at the first that passes.

    Attributes:
        draws: samples at most of a task; a fraction is a mixture of the two whole numbers beside it.
        rate: share of tasks solved, "%".
        is_exhausted: whether the stored samples were too few to spend all of the tokens.
    """

    draws: float
    rate: Metric
    is_exhausted: bool


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One row: an arm after ``turn`` turns; turn 0 is the gate's own measurement.

    Attributes:
        answers: followed through the turns, each task's samples; ``passed`` of them pass now.
        asked: of them in this turn; ``asked_passed`` had passed and were below the threshold.
        fixed, broke: answers that came to pass in this turn, and that ceased to.
        missing: answers of this turn that could not be judged.
        too_long: answers that were not asked again, since the model's context does not hold the conversation.
        tokens: generated in this turn; ``tokens_so_far`` since the first answer, thoughts included, prompts not.
        tokens_per_solved: ``tokens_so_far`` for each answer that passes; None where none does.
        pass_1: "%", as the gate computes it.
        gain, over_fresh: in points, paired by task: over turn 0, and over ``fresh``.
    """

    turn: int
    answers: int
    passed: int
    asked: int
    asked_passed: int
    fixed: int
    broke: int
    missing: int
    too_long: int
    tokens: int
    tokens_so_far: int
    tokens_per_solved: float | None
    pass_1: Metric
    gain: Metric
    fresh: Fresh
    over_fresh: Metric


def turn_results(
    turns: Sequence[Sequence[Sample]],
    asked: Sequence[Sequence[Sample]],
    too_long: Sequence[int],
    tasks: Sequence[Task],
    arm: str,
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> tuple[TurnResult, ...]:
    """Return a row for each turn of one arm.

    Args:
        turns: every answer of the arm as it is after each turn; the first are the gate's own samples.
        asked: before each later turn, the answers that were asked again: one fewer than ``turns``.
        too_long: how many others were not, since the model's context does not hold their conversation.
        tasks: of the split, also those without a sample.
    """
    first = score_tasks(turns[0], tasks, arm)
    each = _tokens_each(turns[0])
    spent_before, rows = 0, []
    for turn, latest in enumerate(turns):
        again = () if turn == 0 else asked[turn - 1]
        now, before = by_key(latest), by_key(turns[max(0, turn - 1)])
        keys = {(sample.task_id, sample.index) for sample in again}
        drawn = [now[key] for key in keys] if turn else latest
        tokens = sum(sample.completion.tokens for sample in drawn)
        spent = spent_before + tokens
        passed = sum(_passed(sample) for sample in latest)
        scores = score_tasks(latest, tasks, arm)
        rate = {score.task_id: score.c / score.n for score in scores if score.n}
        bought = fresh_samples(first, each, spent)
        rows.append(
            TurnResult(
                turn=turn,
                answers=len(latest),
                passed=passed,
                asked=len(again),
                asked_passed=sum(_passed(sample) for sample in again),
                fixed=sum(_passed(now[key]) and not _passed(before[key]) for key in keys),
                broke=sum(_passed(before[key]) and not _passed(now[key]) for key in keys),
                missing=sum(now[key].verdict.outcome is Outcome.HARNESS_ERROR for key in keys),
                too_long=too_long[turn - 1] if turn else 0,
                tokens=tokens,
                tokens_so_far=spent,
                tokens_per_solved=spent / passed if passed else None,
                pass_1=pass_metrics(scores, (1,), seed=seed, resamples=resamples)[0],
                gain=_gain("gain", first, rate, _rates(first, 1), seed, resamples),
                fresh=Fresh(
                    bought.draws,
                    rate_metric("fresh", estimate_rate(_values(first, bought.rates), seed=seed, resamples=resamples)),
                    bought.is_exhausted,
                ),
                over_fresh=_gain("over fresh", first, rate, bought.rates, seed, resamples),
            )
        )
        spent_before = spent
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Bought:
    """How many fresh samples at most, the rate of each task with them, and whether the stored ones were too few."""

    draws: float
    rates: dict[str, float]
    is_exhausted: bool


def fresh_samples(scores: Sequence[TaskScore], tokens_each: Mapping[str, float], budget: float) -> Bought:
    """Return what ``budget`` tokens solve when each answer is drawn anew instead, until one passes.

    With at most m draws, task i costs tokens_i * sum_{j<m} (1 - pass@j) an answer, estimated without bias from its n
    stored samples; m is chosen so that all answers together cost the budget, between two whole numbers by mixing them.
    """
    measured = [score for score in scores if score.n]
    most = min((score.n for score in measured), default=1)
    costs = [0.0]
    for draws in range(1, most + 1):
        left = _rates(measured, draws - 1) if draws > 1 else dict.fromkeys((s.task_id for s in measured), 0.0)
        step = sum(tokens_each[s.task_id] * (s.n + s.missing) * (1 - left[s.task_id]) for s in measured)
        costs.append(costs[-1] + step)
    whole = max((m for m in range(1, most + 1) if costs[m] <= budget * (1 + _EQUAL)), default=1)
    rates = _rates(measured, whole)
    if whole == most:
        return Bought(float(whole), rates, budget > costs[most] * (1 + _EQUAL))
    step = costs[whole + 1] - costs[whole]
    part = min(1.0, max(0.0, (budget - costs[whole]) / step)) if step > 0 else 0.0
    if part <= _EQUAL:
        return Bought(float(whole), rates, False)
    more = _rates(measured, whole + 1)
    return Bought(whole + part, {task: (1 - part) * rates[task] + part * more[task] for task in rates}, False)


def _rates(scores: Sequence[TaskScore], k: int) -> dict[str, float]:
    found = {score.task_id: pass_at_k(score.n, score.c, k) for score in scores}
    return {task: rate for task, rate in found.items() if rate is not None}


def _tokens_each(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the mean tokens of each task's samples."""
    spent: dict[str, list[int]] = {}
    for sample in samples:
        spent.setdefault(sample.task_id, []).append(sample.completion.tokens)
    return {task: sum(tokens) / len(tokens) for task, tokens in spent.items()}


def _gain(
    name: str,
    scores: Sequence[TaskScore],
    after: Mapping[str, float],
    before: Mapping[str, float],
    seed: int,
    resamples: int,
) -> Metric:
    gains = {task: after[task] - before[task] for task in after.keys() & before.keys()}
    return gain_metric(name, estimate_gain(_values(scores, gains), seed=seed, resamples=resamples))


def _values(scores: Sequence[TaskScore], values: Mapping[str, float]) -> TaskValues:
    kept = sorted((score for score in scores if score.task_id in values), key=lambda score: score.task_id)
    return TaskValues(
        task_ids=tuple(score.task_id for score in kept),
        families=tuple(score.family for score in kept),
        clusters=tuple(score.cluster for score in kept),
        values=np.array([values[score.task_id] for score in kept], dtype=np.float64),
        k=1,
    )


def _passed(sample: Sample) -> bool:
    return sample.verdict.outcome is Outcome.PASSED
