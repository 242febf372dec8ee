"""Judged quality of a decided run's passed answers: base beside adapter, on the tasks that both passed.

It decides nothing. Which programs are graded follows from their content; the judge is told no arm and no verdict.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from env.files import sha256_file, write_atomic
from env.refusal import Refusal
from eval.estimation.estimators import TaskValues
from eval.estimation.intervals import Estimate, estimate_gain, estimate_rate
from eval.judge.answers import Answer, by_content, neighbours
from eval.judge.budget import Estimate as Needs
from eval.judge.budget import require_affordable
from eval.judge.calibration import Calibration
from eval.judge.ledger import Spent
from eval.judge.opening import Standing, looked_at, opened
from eval.pipeline.stored_samples import read_samples
from eval.records import Outcome
from gates.judging import QUALITY_FILE
from gates.measuring.bench import domain_of_experiment
from gates.report import read_report
from gates.report.results import DecisionResults, EnvironmentResults, TaskFacts
from gates.settings import Experiment

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class JudgedTask:
    """A task that both arms passed: the programs of each that were looked at, by content, and their mean grades.

    None where one of them has no grade.
    """

    task_id: str
    family: str
    cluster: str
    base_programs: tuple[str, ...]
    adapter_programs: tuple[str, ...]
    base: float | None = None
    adapter: float | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """What a judge says of the passed answers of both arms, 0 to 1, paired by task.

    Attributes:
        decision: the SHA-256 of Gate E's report: of another decision this says nothing.
        calibration: the judge's, None where a ``waiver`` stands in its place.
        base, adapter, gain: means over the graded tasks, with intervals by cluster.
        both, graded: tasks that both arms passed, and those of them with grades on both sides.
        same: tasks on which both arms have one and the same program: there is nothing to compare.
        grades: every grade by the content of its program.
    """

    judge: Mapping[str, object]
    domain: str
    decision: str
    calibration: Calibration | None
    waiver: str
    answered_by: tuple[str, ...]
    base: Estimate
    adapter: Estimate
    gain: Estimate
    both: int
    graded: int
    same: int
    tasks: tuple[JudgedTask, ...]
    grades: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """The judged quality of a run with its file, what requests failed by, and what all requests so far have cost."""

    quality: Quality
    path: Path
    troubles: tuple[str, ...]
    spent: Spent


def score_run(
    run_dir: Path, experiment: Experiment, announce: Callable[[Needs, Spent], None] = lambda needs, spent: None
) -> Scored:
    """Grade the passed answers of a decided run and write judge/quality.json.

    ``announce`` is told before the first request what all may need at most, and what was spent so far.

    Raises:
        Refusal: the run is not decided, the judge may not be used (``eval.judge.opening.standing``), or the budget
            does not suffice.
        BudgetReached: it was used up on the way; nothing is written.
    """
    decided, domain = _decided(run_dir), domain_of_experiment(experiment)
    tasks, answers = _tasks(run_dir, decided, experiment.judge.programs)
    pairs, before = neighbours(answers), looked_at(experiment.judge, domain.name, run_dir.parent)
    needs, spent = before.needs(pairs), before.ledger.spent
    require_affordable(spent, needs, experiment.judge)
    # refused, where it must be, before the cost is announced
    with opened(experiment.judge, domain.name, run_dir.parent) as (judge, standing):
        announce(needs, spent)
        grades = by_content(judge.grades(pairs))
        found = _quality(run_dir, tasks, grades, standing, judge.answered_by, judge.settings.model, domain.name)
        path = run_dir / QUALITY_FILE
        write_atomic(path, json.dumps(_document(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return Scored(found, path, tuple(judge.troubles), judge.ledger.spent)


def score_needs(run_dir: Path, experiment: Experiment) -> tuple[Needs, Spent]:
    """Return what ``score_run`` would ask for now at most, and what was spent so far; nothing is written or sent."""
    judge = looked_at(experiment.judge, domain_of_experiment(experiment).name, run_dir.parent)
    _, answers = _tasks(run_dir, _decided(run_dir), experiment.judge.programs)
    return judge.needs(neighbours(answers)), judge.ledger.spent


def _decided(run_dir: Path) -> DecisionResults:
    report = read_report(run_dir / "gate_e" / "report.json")
    if report is None or not isinstance(report.results, DecisionResults):
        raise Refusal(f"{run_dir.name} is not decided: there is no adapter to set beside the base.", "`advance` first.")
    return report.results


def _tasks(run_dir: Path, decided: DecisionResults, most: int) -> tuple[list[JudgedTask], list[Answer]]:
    """Return the tasks that both arms passed, and the programs to be graded, each once."""
    cell = decided.arms.cell.arm
    own = run_dir / "gate_e" / "samples.jsonl"
    file = own if own.is_file() else run_dir / "gate_d" / "cells" / cell / "samples.jsonl"
    base, adapter = _passed(run_dir / "gate_b" / "samples.jsonl", "base"), _passed(file, cell)
    tasks, answers = [], {}
    for facts in decided.tasks:
        sides = [_answers(facts, arm.get(facts.task_id, ()), most) for arm in (base, adapter)]
        if all(sides):
            answers.update({answer.content: answer for side in sides for answer in side})
            one, other = (tuple(answer.content for answer in side) for side in sides)
            tasks.append(JudgedTask(facts.task_id, facts.family, facts.cluster, one, other))
    if not tasks:
        raise Refusal(
            f"{run_dir.name}: no task was passed by both arms, so there are no passed answers to set side by side.",
            "Nothing was asked.",
        )
    return tasks, list(answers.values())


def _passed(file: Path, arm: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for sample in read_samples(file):
        if sample.arm == arm and sample.verdict.outcome is Outcome.PASSED and sample.candidate.code is not None:
            found[sample.task_id].append(sample.candidate.code)
    return found


def _answers(facts: TaskFacts, programs: Sequence[str], most: int) -> list[Answer]:
    distinct = {Answer(facts.instruction, facts.input, code) for code in programs}
    return sorted(distinct, key=lambda answer: answer.content)[:most]


def _quality(
    run_dir: Path,
    tasks: Sequence[JudgedTask],
    grades: Mapping[str, float],
    standing: Standing,
    answered_by: set[str],
    model: str,
    domain: str,
) -> Quality:
    listed = [replace(t, base=_mean(t.base_programs, grades), adapter=_mean(t.adapter_programs, grades)) for t in tasks]
    graded = [task for task in listed if task.base is not None and task.adapter is not None]
    options = _options(run_dir)
    return Quality(
        judge={"model": model, "prompt": standing.prompt.digest},
        domain=domain,
        decision=sha256_file(run_dir / "gate_e" / "report.json"),
        calibration=standing.calibration,
        waiver=standing.waiver,
        answered_by=tuple(sorted(answered_by)),
        base=estimate_rate(_values(graded, lambda task: task.base), **options),
        adapter=estimate_rate(_values(graded, lambda task: task.adapter), **options),
        gain=estimate_gain(_values(graded, lambda task: task.adapter - task.base), **options),
        both=len(listed),
        graded=len(graded),
        same=sum(len({*task.base_programs, *task.adapter_programs}) == 1 for task in listed),
        tasks=tuple(listed),
        grades=dict(sorted(grades.items())),
    )


def _options(run_dir: Path) -> dict[str, int]:
    """Return the seed and the number of resamples of the run's own rule: its intervals are made the same way."""
    report = read_report(run_dir / "gate_a" / "report.json")
    frozen = report.results.frozen if report is not None and isinstance(report.results, EnvironmentResults) else None
    return {} if frozen is None else {"seed": frozen.rule.seed, "resamples": frozen.rule.resamples}


def _mean(contents: Sequence[str], grades: Mapping[str, float]) -> float | None:
    """Return the mean grade of programs; None where one has no grade: the others might be the better ones."""
    found = [grades[content] for content in contents if content in grades]
    return fmean(found) if len(found) == len(contents) else None


def _values(tasks: Sequence[JudgedTask], value: Callable[[Any], float]) -> TaskValues:
    return TaskValues(
        task_ids=tuple(task.task_id for task in tasks),
        families=tuple(task.family for task in tasks),
        clusters=tuple(task.cluster for task in tasks),
        values=np.array([value(task) for task in tasks], dtype=np.float64),
        k=1,
    )


def _document(found: Quality) -> dict[str, Any]:
    """Return plain data; of the calibration without its evidence, which its own file keeps."""
    kept = None if found.calibration is None else asdict(replace(found.calibration, evidence=()))
    return {"schema_version": SCHEMA_VERSION, **asdict(replace(found, calibration=None)), "calibration": kept}
