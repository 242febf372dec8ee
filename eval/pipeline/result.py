"""From sample lines to an EvalResult: pure, so that a report can be recomputed from samples.jsonl alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from env.counts import listed_text
from env.refusal import Refusal
from eval.estimation.estimators import pass_rates
from eval.estimation.intervals import RESAMPLES, SEED, estimate_rate, rate_metric
from eval.records import EvalResult, Metric, Outcome, Sample, Task, TaskScore

_NAMED_AT_MOST = 5


def evaluate(
    samples: Iterable[Sample],
    tasks: Sequence[Task],
    arm: str,
    split: str,
    ks: Sequence[int],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> EvalResult:
    """Return scores, pass@k with clustered 95% intervals and counts of one arm on one split.

    Lines of other arms and of the other split are ignored. The same line twice (a resumed run) counts once.
    HARNESS_ERROR counts as missing, neither as pass nor as fail. A task without samples is scored n = 0 and listed.

    Args:
        tasks: the whole dataset; ``split`` chooses among them.
        ks: the k of each pass@k to report.

    Raises:
        Refusal: a sample of an unknown task, or two different samples with the same task and index.
    """
    wanted = {task.id: task for task in tasks if task.split == split}
    lines = _distinct((sample for sample in samples if sample.arm == arm), {task.id for task in tasks})
    kept = [sample for sample in lines if sample.task_id in wanted]
    outcomes = _outcomes(kept, wanted)
    scores = _scores(kept, outcomes, wanted)
    total = sum(outcomes.values(), Counter[Outcome]())
    thoughts = [sample.completion.thought for sample in kept if sample.completion.thought is not None]
    return EvalResult(
        arm=arm,
        split=split,
        scores=scores,
        metrics=pass_metrics(scores, ks, seed=seed, resamples=resamples),
        by_family={
            family: pass_metrics(
                [score for score in scores if score.family == family], ks, seed=seed, resamples=resamples
            )
            for family in families_of(scores)
        },
        outcomes={outcome.value: total[outcome] for outcome in Outcome if total[outcome]},
        truncated=sum(sample.completion.finish == "length" for sample in kept),
        samples=len(kept),
        missing_tasks=tuple(task_id for task_id in sorted(wanted) if not outcomes[task_id]),
        harness_errors=total[Outcome.HARNESS_ERROR],
        thoughts=len(thoughts),
        thoughts_cut=sum(thought.cut for thought in thoughts),
        thought_tokens=sum(thought.tokens for thought in thoughts),
        answer_tokens=sum(sample.completion.answer_tokens for sample in kept),
    )


def score_tasks(samples: Iterable[Sample], tasks: Sequence[Task], arm: str) -> tuple[TaskScore, ...]:
    """Return the counts of one arm on ``tasks``, in task id order. Raises Refusal as ``evaluate``."""
    wanted = {task.id: task for task in tasks}
    kept = _distinct((sample for sample in samples if sample.arm == arm), set(wanted))
    return _scores(kept, _outcomes(kept, wanted), wanted)


def _outcomes(samples: Iterable[Sample], wanted: Iterable[str]) -> dict[str, Counter[Outcome]]:
    outcomes: dict[str, Counter[Outcome]] = {task_id: Counter() for task_id in wanted}
    for sample in samples:
        outcomes[sample.task_id][sample.verdict.outcome] += 1
    return outcomes


def _scores(
    samples: Iterable[Sample], outcomes: Mapping[str, Mapping[Outcome, int]], wanted: Mapping[str, Task]
) -> tuple[TaskScore, ...]:
    harmless = (Outcome.PASSED, Outcome.HARNESS_ERROR)
    cut = Counter(s.task_id for s in samples if s.completion.finish == "length" and s.verdict.outcome not in harmless)
    return tuple(score_task(wanted[task_id], outcomes[task_id], cut[task_id]) for task_id in sorted(wanted))


def score_task(task: Task, outcomes: Mapping[Outcome, int], cut_short: int) -> TaskScore:
    """Return the counts of one task: valid samples, passes, samples that could not be verified, and those cut short."""
    missing = outcomes.get(Outcome.HARNESS_ERROR, 0)
    valid, passed = sum(outcomes.values()) - missing, outcomes.get(Outcome.PASSED, 0)
    return TaskScore(task.id, task.family, task.cluster, valid, passed, missing, task.kind, cut_short)


def pass_metrics(
    scores: Sequence[TaskScore], ks: Sequence[int], *, seed: int = SEED, resamples: int = RESAMPLES
) -> tuple[Metric, ...]:
    """Return pass@k in "%" for each k; value None where no task has k valid samples."""
    metrics = []
    for k in ks:
        rates = pass_rates(scores, k)
        left_out = len(rates.undefined)
        note = f"{left_out} of {len(scores)} tasks have fewer than {k} valid samples" if left_out else ""
        metrics.append(rate_metric(f"pass@{k}", estimate_rate(rates, seed=seed, resamples=resamples), note))
    return tuple(metrics)


def families_of(scores: Sequence[TaskScore]) -> tuple[str, ...]:
    """Return the families that occur, by name."""
    return tuple(sorted({score.family for score in scores}))


def missing_share(scores: Sequence[TaskScore], samples_per_task: int) -> float | None:
    """Return the fraction of planned samples without a valid verdict (or never generated); None without tasks."""
    planned = samples_per_task * len(scores)
    if planned == 0:
        return None
    return sum(max(0, samples_per_task - score.n) for score in scores) / planned


def _distinct(samples: Iterable[Sample], known: set[str]) -> list[Sample]:
    by_key: dict[tuple[str, int], Sample] = {}
    conflicts: set[tuple[str, int]] = set()
    unknown: set[str] = set()
    for sample in samples:
        if sample.task_id not in known:
            unknown.add(sample.task_id)
            continue
        key = (sample.task_id, sample.index)
        if _content(by_key.setdefault(key, sample)) != _content(sample):
            conflicts.add(key)
    if unknown:
        raise Refusal(
            f"Samples of tasks that the dataset does not have: {listed_text(sorted(unknown), _NAMED_AT_MOST)}.",
            "They come from another dataset: evaluate them with that one.",
        )
    if conflicts:
        names = [f"{task} #{index}" for task, index in conflicts]
        raise Refusal(
            f"Two different samples share a task and index: {listed_text(sorted(names), _NAMED_AT_MOST)}.",
            "Two runs were written into one file: `rewind` the gate that wrote it.",
        )
    return list(by_key.values())


def _content(sample: Sample) -> tuple[object, ...]:
    """Return the fields that identify a sample; verification time is not one of them."""
    return (sample.seed, sample.completion, sample.candidate, sample.verdict.outcome)
