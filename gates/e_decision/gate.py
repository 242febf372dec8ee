"""Gate E, decision: the base and the chosen cell on unseen tasks, by the rule that Gate A froze."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from env.files import write_atomic
from env.refusal import Refusal
from eval.decision.cells import Cell
from eval.decision.guards import Evidence
from eval.decision.recommendations import TrainingFacts, recommend
from eval.decision.regressions import GroupGain
from eval.decision.rule import read_rule
from eval.decision.ruling import Ruling
from eval.decision.verdict import Decision
from eval.records import EvalResult, Row
from gates.context import GateContext, Progress, conclude
from gates.e_decision.task_tables import gains_by_group, regression_tables, task_rows
from gates.e_decision.trial import Trial, hold_trial
from gates.measuring.bench import base_table, judge_table, open_bench, require_same_base
from gates.report import GateReport

SCHEMA_VERSION = 1


def run(context: GateContext) -> GateReport:
    """Measure the chosen cell and decide. Passes on PROCEED; says no on ADJUST and INCONCLUSIVE."""
    rule = read_rule(context.gate_folder("a") / "rule.json")
    with open_bench(context) as bench:
        require_same_base(bench.model, context.earlier("b"))
        require_same_base(bench.model, context.earlier("c"))
        trial = hold_trial(context, bench, rule)
        tasks, results = bench.tasks(trial.split), trial.results
        groups = gains_by_group(tasks, results, rule)
        tables: dict[str, Any] = {
            "base": base_table(bench.model),
            "judge": judge_table(bench.verifier),
            "chosen": context.earlier("d").tables["chosen"],
            "split": trial.split,
            "canary": asdict(trial.canary),
            "openings": trial.openings,
            "results": {arm: asdict(result) for arm, result in results.items()},
            "tasks": task_rows(tasks, results, context.earlier("a").tables.get("contamination", {})),
            **regression_tables(groups, results, rule),
        }
        choices = dict(bench.model.choices)
        rows = bench.dataset.rows
    context.on_progress(Progress("deciding", 0, 0, ""))
    evidence = Evidence(trial.cell.name, trial.canary, len(trial.openings), smoke=context.experiment.smoke)
    decision = trial.decide(evidence)
    tables["decision"] = decision.to_json()
    tables["recommendations"] = _recommendations(context, decision, rows, results["cell"], groups)
    tables |= _decision_without_contaminated(context, trial, evidence)
    file = write_decision(context.folder / "decision.json", decision)
    return conclude(
        context,
        "passed" if decision.verdict is Ruling.PROCEED else "failed",
        decision.headline,
        reasons=decision.reasons,
        metrics=decision.metrics(),
        tables=tables,
        files=[*trial.files, file],
        choices=choices,
    )


def write_decision(path: Path, decision: Decision) -> Path:
    """Write decision.json: the verdict and everything it is based on."""
    document = {"schema_version": SCHEMA_VERSION, "decision": decision.to_json()}
    write_atomic(path, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return path


def _decision_without_contaminated(context: GateContext, trial: Trial, evidence: Evidence) -> dict[str, Any]:
    """Return the table with the decision without the tasks that training has seen, or with the reason for none.

    Empty where Gate A found no leak of any tier among the tasks of the decision.
    """
    contaminated = context.earlier("a").tables["contaminated"]
    here = {score.task_id for score in trial.results["cell"].scores}
    excluded = tuple(sorted(here.intersection(contaminated)))
    if not excluded:
        return {}
    without = replace(evidence, excluded=excluded, excluded_why="training has seen them (Gate A's contamination table)")
    try:
        clean = trial.decide(without)
    except Refusal as refusal:
        sentence = (
            f"{len(excluded)} of {len(here)} {trial.split} tasks are contaminated; without them: {refusal.sentence}"
        )
        return {"no_decision_without_contaminated": sentence}
    return {"decision_without_contaminated": clean.to_json()}


def _recommendations(
    context: GateContext, decision: Decision, rows: Sequence[Row], cell: EvalResult, groups: Sequence[GroupGain]
) -> list[dict[str, Any]]:
    """Return what to do next when the verdict is not PROCEED, most important first, each with its number."""
    config = context.experiment.gate.c
    seen = set(context.earlier("a").tables["contaminated"])
    training = context.earlier("c").tables["training"]
    rows_a_step = config.train.batch_size * config.train.grad_accum
    facts = TrainingFacts(
        rows_by_family=Counter(row.family for row in rows),
        rank=config.lora.r,
        learning_rate=config.train.learning_rate,
        steps=training["steps"],
        epochs=training["steps"] * rows_a_step / training["examples"],
        losses=(training["loss_at_start"], training["loss_at_end"]),
        broken_rows=_broken_rows(context),
        outcomes=cell.outcomes,
        truncated=cell.truncated,
        samples=cell.samples,
        rows_by_kind=Counter(row.kind for row in rows if row.kind),
        groups=groups,
        contaminated=sum(score.task_id in seen for score in cell.scores),
        tested=len(cell.scores),
    )
    swept = {Cell(row["step"], row["scale"]): row["gain"]["value"] for row in context.earlier("d").tables["cells"]}
    fractions = {at: None if points is None else points / 100 for at, points in swept.items()}
    return [asdict(step) for step in recommend(decision, fractions, facts)]


def _broken_rows(context: GateContext) -> int | None:
    """Return how many training answers Gate A found not to load; None where it did not look."""
    found = next((check for check in context.earlier("a").checks if check.name == "training answers"), None)
    return None if found is None else len(found.evidence)
