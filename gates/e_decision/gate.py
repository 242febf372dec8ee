"""Gate E, decision: the base and the chosen cell on unseen tasks, by the rule that Gate A froze."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from env.files import write_atomic
from env.refusal import Refusal
from eval.decision.guards import Evidence
from eval.decision.recommendations import Recommendation, TrainingFacts, recommend
from eval.decision.regressions import GroupGain
from eval.decision.rule import read_rule
from eval.decision.ruling import Ruling
from eval.decision.verdict import Decision
from eval.records import EvalResult, Row
from gates.context import GateContext, Progress, conclude
from gates.e_decision.task_tables import furthest_movers, gains_by_group, task_facts
from gates.e_decision.trial import Trial, hold_trial
from gates.measuring.bench import base_facts, judge_facts, open_bench, require_same_base
from gates.report import GateReport
from gates.report.results import BaselineResults, DecisionResults, EnvironmentResults, SweepResults, TrainingResults

SCHEMA_VERSION = 1


def run(context: GateContext) -> GateReport:
    """Measure the chosen cell and decide. Passes on PROCEED; says no on ADJUST and INCONCLUSIVE."""
    rule = read_rule(context.gate_folder("a") / "rule.json")
    with open_bench(context) as bench:
        require_same_base(bench.model, context.earlier(BaselineResults))
        require_same_base(bench.model, context.earlier(TrainingResults))
        trial = hold_trial(context, bench, rule)
        tasks = bench.tasks(trial.split)
        groups = gains_by_group(tasks, trial.arms, rule)
        base, judge, choices = base_facts(bench.model), judge_facts(bench.verifier), bench.choices(trial.files)
        rows, prompts = bench.dataset.rows, {task.id: bench.prompt(task) for task in tasks}
    context.on_progress(Progress("deciding", 0, 0, ""))
    evidence = Evidence(trial.cell.name, trial.canary, len(trial.openings), smoke=context.experiment.smoke)
    decision = trial.decide(evidence)
    clean, why_none = decision_without_contaminated(context, trial, evidence)
    results = DecisionResults(
        base=base,
        judge=judge,
        chosen=context.earlier(SweepResults).chosen,
        split=trial.split,
        canary=trial.canary,
        openings=tuple(trial.openings),
        arms=trial.arms,
        tasks=task_facts(tasks, trial.arms, context.earlier(EnvironmentResults).contamination.tasks, prompts),
        groups=groups,
        movers=furthest_movers(trial.arms, rule),
        decision=decision,
        recommendations=_recommendations(context, decision, rows, trial.arms.cell, groups),
        decision_without_contaminated=clean,
        no_decision_without_contaminated=why_none,
    )
    file = write_decision(context.folder / "decision.json", decision)
    return conclude(
        context,
        "passed" if decision.verdict is Ruling.PROCEED else "failed",
        decision.headline,
        reasons=decision.reasons,
        metrics=decision.metrics(),
        results=results,
        files=[*trial.files, file],
        choices=choices,
    )


def write_decision(path: Path, decision: Decision) -> Path:
    """Write decision.json: the verdict and everything it is based on."""
    document = {"schema_version": SCHEMA_VERSION, "decision": decision.to_json()}
    write_atomic(path, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return path


def decision_without_contaminated(
    context: GateContext, trial: Trial, evidence: Evidence
) -> tuple[Decision | None, str]:
    """Return the decision without the tasks that training has seen; where there can be none, None and the reason.

    (None, "") where Gate A found no leak of any tier among the tasks of the decision.
    """
    here = {score.task_id for score in trial.arms.cell.scores}
    excluded = tuple(sorted(here.intersection(context.earlier(EnvironmentResults).contaminated)))
    if not excluded:
        return None, ""
    without = replace(evidence, excluded=excluded, excluded_why="training has seen them (Gate A's contamination table)")
    try:
        return trial.decide(without), ""
    except Refusal as refusal:
        tasks = f"{len(excluded)} of {len(here)} {trial.split} tasks"
        return None, f"{tasks} are contaminated; without them: {refusal.sentence}"


def _recommendations(
    context: GateContext, decision: Decision, rows: Sequence[Row], cell: EvalResult, groups: Sequence[GroupGain]
) -> tuple[Recommendation, ...]:
    """Return what to do next when the verdict is not PROCEED, most important first, each with its number."""
    config = context.experiment.gate.c
    seen = set(context.earlier(EnvironmentResults).contaminated)
    training = context.earlier(TrainingResults).training
    rows_a_step = config.train.batch_size * config.train.grad_accum
    facts = TrainingFacts(
        rows_by_family=Counter(row.family for row in rows),
        rank=config.lora.r,
        learning_rate=config.train.learning_rate,
        steps=training.steps,
        epochs=training.steps * rows_a_step / training.examples,
        losses=(training.loss_at_start, training.loss_at_end),
        broken_rows=_broken_rows(context),
        outcomes=cell.outcomes,
        truncated=cell.truncated,
        samples=cell.samples,
        rows_by_kind=Counter(row.kind for row in rows if row.kind),
        groups=groups,
        contaminated=sum(score.task_id in seen for score in cell.scores),
        tested=len(cell.scores),
    )
    swept = {row.place: row.gain.value for row in context.earlier(SweepResults).cells}
    fractions = {at: None if points is None else points / 100 for at, points in swept.items()}
    return tuple(recommend(decision, fractions, facts))


def _broken_rows(context: GateContext) -> int | None:
    """Return how many training answers Gate A found not to load; None where it did not look."""
    report = context.report("a")
    checks = report.checks if report is not None else ()
    found = next((check for check in checks if check.name == "training answers"), None)
    return None if found is None else len(found.evidence)
