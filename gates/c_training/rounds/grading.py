"""A judge's grades of a round's answers that passed: they order what execution let through, and admit nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.checks import Check, fact, warn
from env.counts import counted
from env.files import write_atomic
from env.refusal import Refusal
from eval.judge.answers import Answer
from eval.judge.budget import BudgetReached
from eval.judge.calibration import number
from eval.judge.opening import Standing, opened, standing
from eval.judge.scoring import Scores, scores_of
from eval.records import Sample
from gates.c_training.rounds.workshop import Workshop
from gates.context import Progress

GRADES = "grades.jsonl"


@dataclass(frozen=True, slots=True)
class Graded:
    """Grades by the content of an answer, the file that keeps them, and what a report says of the judge."""

    by_content: Mapping[str, float]
    files: tuple[Path, ...]
    checks: tuple[Check, ...]


NOBODY = Graded({}, (), ())


def require_judge(shop: Workshop) -> None:
    """Raise Refusal, before anything is drawn, where a judge's grade counts and its judge may not be used."""
    if shop.settings.weights.judge:
        standing(shop.context.experiment.judge, shop.domain.name, shop.context.run_dir.parent)


def grade(shop: Workshop, number_of_round: int, passed: Sequence[Sample]) -> Graded:
    """Return a judge's grades of answers that ``passed``; nobody is asked where its grade counts nothing.

    Raises:
        Refusal: the judge may not be used, cannot be asked, or its budget does not suffice.
    """
    if not shop.settings.weights.judge:
        return NOBODY
    settings, results = shop.context.experiment.judge, shop.context.run_dir.parent
    shop.context.on_progress(Progress("asking the judge", 0, 0, "", settings.model))
    answers = [
        Answer(task.instruction, task.input, sample.candidate.code)
        for sample in passed
        for task in [shop.tasks[sample.task_id]]
        if sample.candidate.code is not None
    ]
    try:
        with opened(settings, shop.domain.name, results) as (judge, why):
            found = scores_of(judge, answers)
    except BudgetReached as reached:
        raise Refusal(str(reached), reached.fix) from None
    path = shop.folder(number_of_round) / GRADES
    lines = [{"content": content, "grade": value} for content, value in sorted(found.by_content.items())]
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines))
    return Graded(found.by_content, (path,), (_check(number_of_round, settings.model, found, why),))


def _check(number_of_round: int, model: str, found: Scores, why: Standing) -> Check:
    name = f"round {number_of_round} judge"
    value = (
        f"{model}: {counted(len(found.by_content), 'program')} graded, {len(found.missing)} without a grade, "
        f"{len(found.alone)} alone in their task"
    )
    if why.waiver or why.calibration is None:
        return warn(name, value, "a calibrated judge", f"its calibration is waived: {why.waiver}", "Calibrate it.")
    figures = why.calibration.figures
    return fact(name, f"{value}; balanced accuracy {number(figures.balanced_accuracy)}, AUC {number(figures.auc)}")
