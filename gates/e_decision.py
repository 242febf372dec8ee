"""Gate E, decision: the base and the chosen cell on tasks that nobody looked at, by the rule that Gate A froze."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from env.files import write_atomic
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext, Progress
from gates.d_sweep import base_of, verified_checkpoints
from gates.document import Document
from gates.openings import record_opening
from gates.report import GateReport

if TYPE_CHECKING:
    from eval.decision import Decision
    from eval.guards import Canary, Evidence
    from eval.records import EvalResult, Row, Task
    from eval.rule import DecisionRule
    from gates.measuring import Bench

TITLE = "decision"
USES = ("seed", "model", "backend", "dataset", "verifier", "sampling", "rule")
NEEDS = ("a", "b", "c", "d")
SCHEMA_VERSION = 1


class Config(Document):
    """Gate E's configuration; the rule is frozen by Gate A.

    ``canary_prompts``: reference answers scored with and without the adapter, to see that it is really applied.
    """

    canary_prompts: int = Field(ge=1)


def plan(context: PlanContext) -> Plan:
    """Return the rule in one line."""
    experiment = context.experiment
    count = experiment.dataset.test_tasks if experiment.dataset.tasks_known else 0
    tasks = f"{count} " if count else ""
    return Plan(
        f"rule: pass@{experiment.rule.k} gain ≥ {experiment.rule.margin_pp:.1f} pp on {tasks}unseen tasks",
        count * experiment.sampling.samples_test,
        "samples",
    )


def run(context: GateContext) -> GateReport:
    """Measure the chosen cell on test and decide. Passes on PROCEED; says no on ADJUST and INCONCLUSIVE."""
    from eval.cells import cell_from_name
    from eval.decision import Ruling, decide
    from eval.guards import Evidence
    from eval.rule import read_rule
    from gates.measuring import base_table, judge_table, open_bench, require_same_base

    chosen = context.earlier("d").tables["chosen"]
    cell = cell_from_name(chosen["cell"])
    rule = read_rule(context.gate_folder("a") / "rule.json")
    path = context.folder / "samples.jsonl"
    with open_bench(context) as bench:
        require_same_base(bench.model, context.earlier("b"))
        adapter = verified_checkpoints(context, context.earlier("c"))[cell.step]
        canary = measure_canary(context, bench, adapter, cell.scale)
        openings = record_opening(context.run_dir, context.attempt, context.started_at, cell.name)
        with bench.model.adapter(adapter, cell.scale):
            samples = bench.measure(cell.name, "test", path, f"{cell.name} on test", 0, bench.planned("test"))
        results = {"base": base_of(bench, context, "test"), "cell": bench.evaluate(samples, cell.name, "test")}
        tables: dict[str, Any] = {
            "base": base_table(bench.model),
            "judge": judge_table(bench.verifier),
            "chosen": chosen,
            "canary": asdict(canary),
            "openings": openings,
            "results": {arm: asdict(result) for arm, result in results.items()},
            "tasks": _task_rows(bench.tasks("test"), results),
        }
        choices = dict(bench.model.choices)
        rows = bench.dataset.rows
    context.on_progress(Progress("deciding", 0, 0, ""))
    evidence = Evidence(cell.name, canary, len(openings))
    decision = decide(results["base"].scores, results["cell"].scores, rule, evidence)
    tables["decision"] = decision.to_json()
    tables["recommendations"] = _recommendations(context, decision, rows, results["cell"])
    clean = _decision_without_contaminated(context, rule, evidence, results)
    if clean is not None:
        tables["decision_without_contaminated"] = clean.to_json()
    file = write_decision(context.folder / "decision.json", decision)
    return conclude(
        context,
        "passed" if decision.verdict is Ruling.PROCEED else "failed",
        decision.headline,
        reasons=decision.reasons,
        metrics=decision.metrics(),
        tables=tables,
        files=[path, file],
        choices=choices,
    )


def write_decision(path: Path, decision: Decision) -> Path:
    """Write decision.json: the verdict and everything it rests on."""
    document = {"schema_version": SCHEMA_VERSION, "decision": decision.to_json()}
    write_atomic(path, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return path


def measure_canary(context: GateContext, bench: Bench, adapter: Path, scale: float) -> Canary:
    """Score dev references under base, adapter and adapter at scale 0, to see that the adapter is really applied."""
    from eval.guards import Canary

    tasks = bench.tasks("dev")[: context.experiment.gate.e.canary_prompts]
    context.on_progress(Progress("canary", 0, 0, ""))

    def scores() -> list[float]:
        return [bench.model.log_prob(bench.prompt(task), task.reference) for task in tasks]

    base = scores()
    with bench.model.adapter(adapter, scale):
        moved = scores()
    with bench.model.adapter(adapter, 0.0):
        zero = scores()
    return Canary(
        moved_nats=max(abs(a - b) for a, b in zip(moved, base, strict=True)),
        zero_moved_nats=max(abs(a - b) for a, b in zip(zero, base, strict=True)),
        prompts=len(tasks),
    )


def _task_rows(tasks: list[Task], results: dict[str, EvalResult]) -> list[dict[str, Any]]:
    scores = {arm: {s.task_id: s for s in result.scores} for arm, result in results.items()}
    return [
        {
            "task_id": task.id,
            "family": task.family,
            "kind": task.kind,
            "cluster": task.cluster,
            "instruction": task.instruction,
            **{f"{arm}_{key}": getattr(scores[arm][task.id], key) for arm in ("base", "cell") for key in ("c", "n")},
        }
        for task in tasks
    ]


def _decision_without_contaminated(
    context: GateContext, rule: DecisionRule, evidence: Evidence, results: dict[str, EvalResult]
) -> Decision | None:
    """Return the decision without the test tasks that Gate A found in the training rows; None when there are none."""
    from dataclasses import replace

    from env.refusal import Refusal
    from eval.decision import decide

    contaminated = context.earlier("a").tables["contaminated"]
    here = {score.task_id for score in results["cell"].scores}
    excluded = tuple(sorted(here.intersection(contaminated)))
    if not excluded:
        return None
    without = replace(evidence, excluded=excluded, excluded_why="they stand in the training rows")
    try:
        return decide(results["base"].scores, results["cell"].scores, rule, without)
    except Refusal as refusal:
        context.log.warning("no decision without the contaminated tasks: %s", refusal)
        return None


def _recommendations(
    context: GateContext, decision: Decision, rows: Sequence[Row], cell: EvalResult
) -> list[dict[str, Any]]:
    """Return what to do next when the verdict is not PROCEED, most important first, each with its number."""
    from eval.recommendations import TrainingFacts, recommend

    config = context.experiment.gate.c
    facts = TrainingFacts(
        rows_by_family=Counter(row.family for row in rows),
        rank=config.lora.r,
        learning_rate=config.train.learning_rate,
        outcomes=cell.outcomes,
        truncated=cell.truncated,
        samples=cell.samples,
    )
    return [asdict(step) for step in recommend(decision, None, facts)]
