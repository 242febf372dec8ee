"""Calibrate a judge: known answers are graded in pairs, and their grades held against execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eval.judge.answers import Pair
from eval.judge.budget import Estimate, require_affordable
from eval.judge.calibration import Calibration, figures_of, reasons_against, write_calibration
from eval.judge.judge import Judge, judge_id
from eval.judge.ledger import Ledger, Spent
from eval.judge.opening import looked_at, require_named
from eval.judge.rubric import read_prompt
from gates.judging.pool import Pool, draw_pool
from gates.measuring.bench import domain_of_experiment
from gates.settings import Experiment


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration with its file, what the requests failed by, and what all requests so far have cost."""

    calibration: Calibration
    path: Path
    troubles: tuple[str, ...]
    spent: Spent


def calibrate(
    experiment: Experiment, results: Path, announce: Callable[[Estimate, Spent], None] = lambda needs, spent: None
) -> Calibrated:
    """Grade known answers to training tasks and store what that says of the judge.

    ``announce`` is told before the first request what all may need at most, and what was spent so far.

    Raises:
        Refusal: no judge is named, the pool is too small, the estimate exceeds the budget, or the server cannot be
            asked.
        BudgetReached: the budget was used up on the way; no calibration is written.
    """
    settings, domain = experiment.judge, domain_of_experiment(experiment)
    require_named(settings)
    prompt = read_prompt(settings, domain.name)
    pool = draw_pool(experiment)
    again = _again(pool, settings.repeats)
    before = looked_at(settings, domain.name, results)
    needs, spent = before.needs(pool.pairs, again), before.ledger.spent
    require_affordable(spent, needs, settings)
    announce(needs, spent)
    with Ledger(results) as ledger:
        judge = Judge(settings, prompt, ledger)
        grades = judge.grades(pool.pairs)
        repeated = judge.grades(again, repeat=1)
        figures, evidence = figures_of(pool.known, grades, repeated, judge.agreeing(pool.pairs))
        found = Calibration(
            judge=judge_id(settings, prompt),
            domain=domain.name,
            rubric=prompt.source,
            answered_by=tuple(sorted(judge.answered_by)),
            figures=figures,
            reasons=reasons_against(figures),
            pool=pool.source,
            verifier=pool.verifier,
            evidence=evidence,
        )
        return Calibrated(found, write_calibration(results, found), tuple(judge.troubles), ledger.spent)


def calibration_needs(experiment: Experiment, results: Path) -> tuple[Estimate, Spent]:
    """Return what ``calibrate`` would ask for now at most, and what was spent so far; nothing is written or sent."""
    judge = looked_at(experiment.judge, domain_of_experiment(experiment).name, results)
    pool = draw_pool(experiment)
    return judge.needs(pool.pairs, _again(pool, experiment.judge.repeats)), judge.ledger.spent


def _again(pool: Pool, repeats: int) -> tuple[Pair, ...]:
    """Return the pairs that are asked once more: the first by content, which follows no task and no verdict."""
    return tuple(sorted(pool.pairs, key=lambda each: each.one.content)[:repeats])
