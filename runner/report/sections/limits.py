"""What the numbers do not say: the limits of a decision, each sentence written from the number behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from env.wording.counts import counted
from runner.report.data import ArmOutcomes, GainGroup, Sweep, TaskView, Verdict

# A group of fewer clusters than this gives an interval that says little.
_FEW_CLUSTERS = 10


def read_limits(
    verdict: Verdict | None,
    groups: Sequence[GainGroup],
    sweep: Sweep | None,
    outcomes: Sequence[ArmOutcomes],
    tasks: Sequence[TaskView],
    config: Mapping[str, Any],
) -> tuple[str, ...]:
    """Return the limits of what was decided; () before there is a decision."""
    if verdict is None:
        return ()
    return tuple(
        sentence
        for part in (
            _resolution(verdict),
            _clusters(verdict, tasks),
            _groups(groups),
            _selection(sweep),
            _sampling(verdict, config),
            _ceiling(verdict, tasks),
            _cut(outcomes),
            _one_run(config),
            _judge(tasks),
        )
        for sentence in part
    )


def _resolution(verdict: Verdict) -> Iterator[str]:
    gain = verdict.gain
    if verdict.detectable is not None:
        yield (
            f"A true gain below {verdict.detectable:.1f} pp would go unseen in more than one of five such experiments: "
            f"not seeing a difference of that size on {gain.n} tasks does not mean that there is none."
        )
    if gain.low is not None and gain.high is not None:
        yield (
            f"The gain is known to within {(gain.high - gain.low) / 2:.1f} pp either way (95%); "
            "quote the interval, not the point."
        )


def _clusters(verdict: Verdict, tasks: Sequence[TaskView]) -> Iterator[str]:
    gain = verdict.gain
    if gain.n and gain.clusters and gain.clusters < gain.n:
        largest = Counter(task.cluster for task in tasks).most_common(1)
        most = f"; the largest holds {largest[0][1]}" if largest else ""
        sources = counted(gain.clusters, "template or source", "templates or sources")
        yield (
            f"The {gain.n} tasks come from {sources}{most}: the interval treats templates, not tasks, as independent."
        )


def _groups(groups: Sequence[GainGroup]) -> Iterator[str]:
    small = [
        group.gain.label
        for group in groups
        if group.by == "family" and group.gain.clusters is not None and group.gain.clusters < _FEW_CLUSTERS
    ]
    if small:
        yield f"{', '.join(small)}: fewer than {_FEW_CLUSTERS} clusters, too few to say much about that family alone."
    open_loss = [group.gain.label for group in groups if group.by == "family" and "not ruled out" in group.gain.mark]
    if open_loss:
        yield f"A loss in {', '.join(open_loss)} is not ruled out by these tasks."
    if any(group.by != "family" for group in groups):
        yield (
            "Of the gains by kind and difficulty only those marked worse or better are significant after Holm's "
            "correction; treat the rest as leads."
        )


def _selection(sweep: Sweep | None) -> Iterator[str]:
    chosen = sweep.chosen if sweep is not None else None
    if sweep is None or chosen is None or chosen.gain.value is None:
        return
    if sweep.test is not None and sweep.test.value is not None:
        difference = sweep.test.value - chosen.gain.value
        yield (
            f"The chosen cell was the best of {len(sweep.cells)} on dev, where it gained {chosen.gain.value:+.1f} pp; "
            f"on test it gained {sweep.test.value:+.1f} pp ({difference:+.1f}). Only the test number is free of that "
            "choice."
        )


def _sampling(verdict: Verdict, config: Mapping[str, Any]) -> Iterator[str]:
    sampling = config.get("sampling") or {}
    if "temperature" in sampling:
        yield (
            f"pass@{verdict.k} at temperature {sampling['temperature']:g}, top-p {sampling.get('top_p', 1):g}: "
            "another temperature or a single greedy answer was not measured."
        )


def _ceiling(verdict: Verdict, tasks: Sequence[TaskView]) -> Iterator[str]:
    done = sum(task.base_n > 0 and task.base_c == task.base_n for task in tasks)
    never = sum(task.base_c == 0 and task.cell_c == 0 for task in tasks)
    parts = [f"the base always solves {done} of them"] if done else []
    parts += [f"neither model ever solves {never}"] if never else []
    if parts:
        stuck = f"{done + never} of {counted(len(tasks), 'task')}"
        yield f"{stuck} cannot show a gain of pass@{verdict.k}: {' and '.join(parts)}."


def _cut(outcomes: Sequence[ArmOutcomes]) -> Iterator[str]:
    cut = sum(arm.truncated for arm in outcomes)
    if cut:
        total = sum(arm.samples for arm in outcomes)
        yield f"{cut:,} of {counted(total, 'sample')} hit the token limit; with a higher one some of them might pass."


def _one_run(config: Mapping[str, Any]) -> Iterator[str]:
    if "seed" in config:
        yield (
            f"One training run, seed {config['seed']}: how much another seed or order of the rows would change the "
            "gain is not in the interval."
        )


def _judge(tasks: Sequence[TaskView]) -> Iterator[str]:
    by = Counter(
        sample.verdict.verifier
        for task in tasks
        for sample in (*task.base_samples, *task.cell_samples)
        if sample.verdict.verifier != "extraction"
    )
    if len(by) > 1:
        yield f"Verdicts come from different verifiers: {', '.join(f'{name} {count:,}' for name, count in by.items())}."
    if any(name.startswith("recorder") for name in by):
        yield (
            "Programs were judged against a model of the engine's API (recorder), not in the engine: "
            "what happens in a world was not executed."
        )
