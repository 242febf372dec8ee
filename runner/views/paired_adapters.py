"""The adapters of two runs on the same test tasks, task by task; or the reason why there is no such number.

The tasks are the same when their digests are, which cover prompt and checks. A difference between two means
over different tasks would also be a difference of tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from env.wording.listing import listed_text
from eval.decision.regressions import DIVISIONS, Division, GroupGain, Precision, group_gains
from eval.decision.rule import DecisionRule
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import estimate_gain, gain_metric
from eval.records import Metric, TaskScore
from gates.report.results import DecisionResults, EnvironmentResults
from runner.views.artifacts import Artifacts

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Pairing:
    """The adapters of two runs on the same test tasks, ``left`` minus ``right`` by number.

    Attributes:
        difference: of pass@k in pp with a clustered interval; None when refused.
        clusters: number of clusters behind the interval.
        groups: the difference by family, kind and difficulty, flagged where significant.
        refused: why there is no paired number; "" where there is one.
        notes: caveats of the number.
    """

    left: int
    right: int
    difference: Metric | None = None
    clusters: int = 0
    groups: tuple[GroupGain, ...] = ()
    refused: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


def pair(first: Artifacts, other: Artifacts, number: int) -> Pairing:
    """Return the adapters' difference, ``other`` minus ``first``, or why there is none."""
    ours, theirs = (found.section("Pairing", _tested, None) for found in (first, other))
    refused = _why_not(ours, theirs, number)
    if refused or ours is None or theirs is None:
        return Pairing(number, 1, refused=refused)
    unpaired = Pairing(number, 1, refused=f"the scores of run {number} or 1 contradict themselves")
    return other.section("Pairing", lambda _: _paired(ours, theirs, number), unpaired)


def _paired(ours: _Tested, theirs: _Tested, number: int) -> Pairing:
    precision = Precision(ours.rule.alpha, ours.rule.seed, ours.rule.resamples)
    k = ours.rule.k
    gains = paired_gains(ours.scores, theirs.scores, k)
    estimate = estimate_gain(gains, seed=precision.seed, resamples=precision.resamples, alpha=precision.alpha)
    arms = ("adapter of run 1", f"adapter of run {number}")
    return Pairing(
        left=number,
        right=1,
        difference=gain_metric(f"pass@{k} difference", estimate),
        clusters=estimate.clusters,
        groups=group_gains(ours.scores, theirs.scores, ours.labels, k, precision, arms),
        notes=_notes(ours, theirs, number),
    )


@dataclass(frozen=True, slots=True)
class _Tested:
    """What one run's adapter did on test: scores, the tasks, the rule and the verifier."""

    scores: tuple[TaskScore, ...]
    tasks: dict[str, str]
    labels: dict[Division, dict[str, str]]
    rule: DecisionRule
    judge: str
    seen: frozenset[str]


def _tested(found: Artifacts) -> _Tested | None:
    environment, results, rule = found.results(EnvironmentResults), found.results(DecisionResults), found.rule
    if environment is None or results is None or rule is None:
        return None
    return _Tested(
        scores=results.arms.cell.scores,
        # reports of the first schema have no digests
        tasks={task.task_id: task.digest or task.instruction for task in results.tasks},
        labels={
            by: {task.task_id: str(label) for task in results.tasks if (label := getattr(task, by)) is not None}
            for by in DIVISIONS
        },
        rule=rule,
        judge=results.judge.verifier,
        seen=frozenset(environment.contaminated),
    )


def _why_not(ours: _Tested | None, theirs: _Tested | None, number: int) -> str:
    """Return why the two cannot be paired; "" where they can."""
    unmeasured = [str(place) for place, tested in ((1, ours), (number, theirs)) if tested is None]
    if ours is None or theirs is None:
        return f"run {' and '.join(unmeasured)} has measured no adapter on test tasks that can be read"
    if ours.rule.k != theirs.rule.k:
        return f"run 1 decides on pass@{ours.rule.k}, run {number} on pass@{theirs.rule.k}"
    only = [sorted(one.tasks.keys() - two.tasks.keys()) for one, two in ((ours, theirs), (theirs, ours))]
    if any(only):
        counts = f"{len(only[0])} are only in run 1, {len(only[1])} only in run {number}"
        return f"their test tasks differ: {counts}, such as {_named([*only[0], *only[1]])}"
    changed = sorted(task_id for task_id, digest in ours.tasks.items() if theirs.tasks[task_id] != digest)
    if changed:
        return f"{len(changed)} test tasks with the same id differ in prompt or checks: {_named(changed)}"
    moved = _moved(ours, theirs)
    return f"{len(moved)} test tasks are in another family or cluster: {_named(moved)}" if moved else ""


def _moved(ours: _Tested, theirs: _Tested) -> list[str]:
    places = [{score.task_id: (score.family, score.cluster) for score in tested.scores} for tested in (ours, theirs)]
    return sorted(
        task_id for task_id in places[0].keys() & places[1].keys() if places[0][task_id] != places[1][task_id]
    )


def _named(names: Sequence[str]) -> str:
    return listed_text(names, _NAMED)


def _notes(ours: _Tested, theirs: _Tested, number: int) -> tuple[str, ...]:
    notes = []
    if ours.judge != theirs.judge:
        notes.append(
            f"run 1 was verified by {ours.judge}, run {number} by {theirs.judge}: this contributes to the difference"
        )
    for place, tested in ((1, ours), (number, theirs)):
        if seen := len(tested.seen & tested.tasks.keys()):
            notes.append(f"run {place}'s training has seen {seen} of these {len(tested.tasks)} tasks")
    return tuple(notes)
