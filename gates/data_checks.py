"""Whether the data can carry the experiment: splits, duplicates, leaks, references and training answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from env.checks import Check, fact, judged, ok
from env.refusal import Refusal
from eval.contamination import Contamination, Status, survey
from eval.pipeline import judge
from eval.records import SPLITS, Dataset, NearMiss, Outcome, Row, Task, Verdict
from eval.verify import open_verifier
from gates.measuring import CONSTANT_ANSWERS

if TYPE_CHECKING:
    from gates.settings import Experiment


@dataclass(frozen=True, slots=True)
class DataFindings:
    """What looking at the data gave.

    Attributes:
        usable: the dataset without the tasks whose own reference does not pass.
        summary: for reports: sizes, families, digest, the ids that were left out.
        contaminated: ids of tasks that stand in the training rows.
    """

    checks: list[Check]
    usable: Dataset
    summary: dict[str, Any]
    contaminated: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Tasks and clusters per split: dev_tasks, dev_clusters, test_tasks, test_clusters."""
        return split_sizes(self.usable.tasks)


def inspect_data(experiment: Experiment, dataset: Dataset) -> DataFindings:
    """Judge a loaded dataset. Programs are executed; no model is loaded.

    Raises:
        Refusal: no task is left, or a split is empty.
    """
    with open_verifier(experiment.verifier) as verifier:
        references = _judged(dataset.tasks, [task.reference for task in dataset.tasks], verifier)
        constants = [
            (constant, task)
            for constant in CONSTANT_ANSWERS
            for task, verdict in _judged(dataset.tasks, [constant] * len(dataset.tasks), verifier)
            if verdict.outcome == Outcome.PASSED
        ]
        misses = [(task, miss) for task in dataset.tasks for miss in task.near_misses]
        missed = _judged([task for task, _ in misses], [miss.answer for _, miss in misses], verifier)
        answers = _judge_answers(dataset.rows, verifier)
        judge_facts = [
            fact("verifier", verifier.name, verifier.choice),
            fact("isolation", verifier.isolation, verifier.isolation_reason),
        ]
    failing = [(task, verdict) for task, verdict in references if verdict.outcome != Outcome.PASSED]
    excluded = {task.id for task, _ in failing} if experiment.dataset.exclude_broken_references else set()
    usable = replace(dataset, tasks=tuple(task for task in dataset.tasks if task.id not in excluded))
    require_both_splits(usable)
    found = survey(dataset.tasks, dataset.rows)
    checks = [
        *judge_facts,
        ok("tasks", _size_sentence(usable), "sound tasks in both splits"),
        _reference_check(failing, len(dataset.tasks), bool(excluded)),
        _constant_check(constants),
        _near_miss_check(
            [pair for pair, (_, v) in zip(misses, missed, strict=True) if v.outcome == Outcome.PASSED], len(misses)
        ),
        *_leak_checks(found, len(dataset.tasks)),
        _duplicate_check(found, len(dataset.rows)),
        _answer_check(answers, len(dataset.rows)),
    ]
    return DataFindings(checks, usable, _summary(usable, sorted(excluded)), found.ids(Status.CONTAMINATED))


def split_sizes(tasks: Sequence[Task]) -> dict[str, int]:
    """Return tasks and clusters per split."""
    sizes = {}
    for split in SPLITS:
        mine = [task for task in tasks if task.split == split]
        sizes[f"{split}_tasks"], sizes[f"{split}_clusters"] = len(mine), len({task.cluster for task in mine})
    return sizes


def require_both_splits(dataset: Dataset) -> None:
    """Raise Refusal unless dev and test each have at least two clusters: fewer give no interval."""
    sizes = split_sizes(dataset.tasks)
    for split in SPLITS:
        if sizes[f"{split}_clusters"] < 2:
            raise Refusal(
                f"The {split} split of {dataset.name} has {sizes[f'{split}_tasks']} usable tasks in "
                f"{sizes[f'{split}_clusters']} clusters; at least 2 clusters are needed.",
                "Add tasks that do not share a template with the others.",
            )


def _judged(tasks: Sequence[Task], answers: Sequence[str], verifier: Any) -> list[tuple[Task, Verdict]]:
    verdicts = judge(list(zip(tasks, answers, strict=True)), verifier)
    return [(task, verdict) for task, (_, verdict) in zip(tasks, verdicts, strict=True)]


def _judge_answers(rows: Sequence[Row], verifier: Any) -> list[tuple[Row, Verdict]]:
    """Execute every training answer without any check: does it apply, parse and load?"""
    tasks = [
        Task(
            id=str(number),
            family=row.family,
            kind=row.kind,
            cluster=row.cluster,
            split="dev",
            instruction=row.instruction,
            input=row.input,
            answer="diff" if row.family == "repair" else "code",
            reference=row.output,
            checks=(),
        )
        for number, row in enumerate(rows)
    ]
    verdicts = _judged(tasks, [row.output for row in rows], verifier)
    return [(row, verdict) for row, (_, verdict) in zip(rows, verdicts, strict=True)]


def _size_sentence(dataset: Dataset) -> str:
    sizes = split_sizes(dataset.tasks)
    parts = [f"{sizes[f'{split}_tasks']} {split} in {sizes[f'{split}_clusters']} clusters" for split in SPLITS]
    return f"{len(dataset.tasks)} tasks: {', '.join(parts)}; {len(dataset.rows)} training rows"


def _reference_check(failing: Sequence[tuple[Task, Verdict]], total: int, excluded: bool) -> Check:
    return judged(
        "references",
        "warn" if excluded else "block",
        not failing,
        f"{total - len(failing)} of {total} pass their own checks" + (", the rest are left out" if excluded else ""),
        "every reference passes",
        reason="A task whose own reference fails measures the task, not the model.",
        fix="Mend these tasks, or set dataset.exclude_broken_references=true to measure without them.",
        evidence=[f"{task.id}: {verdict.outcome}: {verdict.detail}" for task, verdict in failing],
    )


def _constant_check(accepting: Sequence[tuple[str, Task]]) -> Check:
    return judged(
        "constant answers",
        "block",
        not accepting,
        f"{len(accepting)} tasks accept one",
        f"no task accepts any of {len(CONSTANT_ANSWERS)} fixed answers",
        reason="A task that accepts a fixed answer tells nothing about the model.",
        fix="Give these tasks checks that ask for what the instruction asks.",
        evidence=[f"{task.id}: accepts {constant!r}" for constant, task in accepting],
    )


def _near_miss_check(accepted: Sequence[tuple[Task, NearMiss]], total: int) -> Check:
    return judged(
        "near misses",
        "block",
        not accepted,
        f"{len(accepted)} of {total} plausible wrong answers are accepted",
        "none is",
        reason="A task that accepts what its author calls wrong measures something else.",
        fix="Sharpen the checks of these tasks, or remove the near miss.",
        evidence=[f"{task.source or task.id}: accepts a near miss: {miss.why}" for task, miss in accepted],
    )


def _leak_checks(found: Contamination, total: int) -> list[Check]:
    """Judge what training has seen of the tasks: word for word blocks, in parts or nearly warns."""
    contaminated = found.ids(Status.CONTAMINATED)
    partial = found.ids(Status.PARTIAL)
    whole = {o.task_id for o in found.overlaps if o.tier == "T1" and o.part == "both"}
    return [
        judged(
            "exact leaks",
            "block",
            not contaminated,
            f"{len(whole)} of {total} eval items stand word for word in the training rows"
            + (
                f", {len(contaminated) - len(whole)} more by prompt or answer alone"
                if len(contaminated) > len(whole)
                else ""
            ),
            "no eval item among the training rows",
            reason="The adapter would be asked what it was told: the gain would be memory.",
            fix="Remove these rows from the training file, or waive: gate.a.waivers.exact_leaks='<reason>'.",
            evidence=[
                str(o) for o in sorted(found.overlaps, key=lambda o: (o.part != "both", o.task_id)) if o.tier == "T1"
            ],
        ),
        judged(
            "partial leaks",
            "warn",
            not partial,
            f"{len(partial)} of {total} eval items share long parts with training rows",
            "no long part shared",
            reason="Shared phrases are no proof of a leak, but a reviewer will ask.",
            fix="Look at the named rows.",
            evidence=[str(o) for o in found.overlaps if o.tier != "T1" and o.task_id in set(partial)],
        ),
    ]


def _duplicate_check(found: Contamination, total: int) -> Check:
    repeated = sum(len(group) - 1 for group in found.row_duplicates)
    return judged(
        "duplicates",
        "warn",
        repeated == 0,
        f"{repeated} of {total} training rows repeat another one",
        "every row once",
        reason="Repeated rows weigh more without teaching more.",
        fix="Remove the repetitions.",
        evidence=[f"lines {', '.join(map(str, group))}" for group in found.row_duplicates],
    )


def _answer_check(answers: Sequence[tuple[Row, Verdict]], total: int) -> Check:
    broken = [(number, row, v) for number, (row, v) in enumerate(answers, start=1) if v.outcome != Outcome.PASSED]
    return judged(
        "training answers",
        "warn",
        not broken,
        f"{total - len(broken)} of {total} apply, parse and load",
        "every training answer loads",
        reason="The adapter learns what it is shown, errors too.",
        fix="Mend or remove these rows.",
        evidence=[
            f"{f'line {row.line}' if row.line else f'row {number}'}: {v.outcome}: {v.detail}"
            for number, row, v in broken
        ],
    )


def _summary(dataset: Dataset, excluded: list[str]) -> dict[str, Any]:
    families = Counter(task.family for task in dataset.tasks)
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "tasks": len(dataset.tasks),
        **split_sizes(dataset.tasks),
        "rows": len(dataset.rows),
        "families": dict(sorted(families.items())),
        "excluded": excluded,
        "notes": list(dataset.notes),
    }
