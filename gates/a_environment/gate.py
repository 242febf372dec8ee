"""Gate A, environment: can this machine and this data do the experiment? The decision rule is frozen here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from env.checks import Check, blocking, fact
from env.counts import counted
from env.estimates import about
from env.machine.probe import probe
from env.pins import find_lock
from env.requirements import judge
from eval.decision.rule import write_rule
from eval.records import Dataset
from gates.a_environment.data_checks import DataFindings, contamination_facts, inspect_data
from gates.a_environment.decision_plan import PlannedDecision, plan_decision, planning_checks
from gates.a_environment.model_files import model_checks, model_checks_or_miss
from gates.a_environment.model_probe import Looking, probe_model
from gates.a_environment.waiving import waive
from gates.context import GateContext, PlanContext, Progress, conclude
from gates.measuring.bench import dataset_of, domain_of_experiment
from gates.measuring.pace import gate_durations
from gates.measuring.prompting import prompts_file
from gates.report import GateReport
from gates.report.results import EnvironmentResults, FrozenRule, ModelProbe, Pace
from gates.settings import Experiment, planned_work
from training.backends import find_backend
from training.models import preparation

PROJECT = Path(__file__).resolve().parents[2]


def run(context: GateContext) -> GateReport:
    """Check machine, data and model. Says no when an unwaived check blocks."""
    experiment = context.experiment
    waivers, began_s = experiment.gate.a.waivers, time.monotonic()
    context.on_progress(Progress("machine", 0, 0, ""))
    checks = waive(machine_checks(experiment, context.run_dir), waivers)
    if not blocking(checks):
        context.on_progress(Progress("model files", 0, 0, "", preparation(experiment.model.path)))
        checks += waive(model_checks(experiment, context.run_dir), waivers)
    if blocking(checks):
        return _unfit(context, checks)
    # every gate's process imports the same libraries before it loads the model
    start_s = time.monotonic() - began_s
    context.on_progress(Progress("data", 0, 0, ""))
    dataset = dataset_of(experiment)
    # epochs become steps with the rows: a schedule without a checkpoint is refused here, not after the baseline
    work = planned_work(experiment, len(dataset.rows))
    findings, judged_per_s = _timed(experiment, dataset)
    context.on_progress(Progress("planning", 0, 0, "", "what these tasks can detect"))
    planned = plan_decision(experiment, findings)
    checks = waive([*checks, *findings.checks, *planning_checks(planned, findings)], waivers)
    if blocking(checks):
        return _report(context, checks, findings, planned, None, None)
    frozen = freeze(context, planned, findings)
    context.safe_point()
    looking = Looking(
        moment=datetime.fromisoformat(context.started_at),
        prompts=prompts_file(context),
        start_s=start_s,
        judged_per_s=judged_per_s,
        tell=lambda part: context.on_progress(Progress("model", 0, 0, "", part)),
    )
    probed = probe_model(experiment, findings.usable, looking)
    checks = retold(checks, waive([*probed.checks, *time_checks(probed.found.pace, planned, work)], waivers))
    return _report(context, checks, findings, planned, frozen, probed.found)


def _unfit(context: GateContext, checks: list[Check]) -> GateReport:
    """Return the report of a machine or model that cannot do it: known before the data is looked at."""
    stopping = blocking(checks)
    return conclude(
        context,
        "failed",
        "; ".join(f"{check.name}: {check.value}" for check in stopping),
        reasons=[f"{check.name}: {check.reason}" for check in stopping],
        checks=[*checks, fact("data", "not looked at", "machine and model come first")],
    )


def _timed(experiment: Experiment, dataset: Dataset) -> tuple[DataFindings, float]:
    """Return what looking at the data found, and the programs that were verified a second meanwhile."""
    constants = len(domain_of_experiment(experiment).constant_answers)
    programs = len(dataset.tasks) * (1 + constants) + len(dataset.rows)
    programs += sum(len(task.near_misses) for task in dataset.tasks)
    began_s = time.monotonic()
    findings = inspect_data(experiment, dataset)
    return findings, programs / max(time.monotonic() - began_s, 1e-9)


def _report(
    context: GateContext,
    checks: list[Check],
    findings: DataFindings,
    planned: PlannedDecision,
    frozen: FrozenRule | None,
    probe: ModelProbe | None,
) -> GateReport:
    stopping = blocking(checks)
    waived = sum(bool(check.waived) for check in checks)
    passed = (
        f"{counted(len(checks), 'check')}{f' ({waived} waived)' if waived else ''} · "
        f"{planned.detectable.in_short} · "
        f"{counted(planned.generations.total, 'generation')}"
    )
    return conclude(
        context,
        "failed" if stopping else "passed",
        "; ".join(f"{check.name}: {check.value}" for check in stopping) if stopping else passed,
        reasons=[f"{check.name}: {check.reason}" for check in stopping],
        checks=checks,
        results=EnvironmentResults(
            dataset=findings.facts,
            contamination=contamination_facts(findings.contamination),
            frozen=frozen,
            probe=probe,
        ),
        files=[*([rule_file(context)] if frozen is not None else []), *([prompts_file(context)] if probe else [])],
    )


def rule_file(context: PlanContext) -> Path:
    """Return where the frozen rule is kept."""
    return context.gate_folder("a") / "rule.json"


def freeze(context: GateContext, planned: PlannedDecision, findings: DataFindings) -> FrozenRule:
    """Write the rule down before any model is loaded, and return it with its planning figures."""
    return FrozenRule(
        rule=planned.rule,
        digest=write_rule(rule_file(context), planned.rule),
        selection_reason=findings.selection_reason,
        detectable=planned.detectable,
        generations=planned.generations,
    )


def machine_checks(experiment: Experiment, results: Path) -> list[Check]:
    """Return the checks of this machine."""
    backend = find_backend(experiment.backend.name)
    locks = tuple(find_lock(name) for name in backend.locks)
    return list(judge(probe(results, PROJECT, locks, backend.extras), experiment.gate.a.machine))


def inspect(
    experiment: Experiment, results: Path, *, with_model: bool, on_part: Callable[[str], None] = lambda _part: None
) -> Iterator[list[Check]]:
    """Yield, after each part, everything found so far, so that a later refusal hides no line.

    The model is loaded only ``with_model`` and when nothing before it blocks. ``on_part`` receives the name of the next
    part.

    Raises:
        Refusal: a part cannot be checked.
    """
    waivers = experiment.gate.a.waivers
    on_part("the machine")
    checks = waive(machine_checks(experiment, results), waivers)
    yield checks
    on_part(preparation(experiment.model.path) or "the model's files, without reading a weight")
    checks = [*checks, *waive(model_checks_or_miss(experiment, results), waivers)]
    if blocking(checks):
        yield [*checks, fact("data", "not looked at", "machine and model come first")]
        return
    yield checks
    on_part("the data: every reference and training answer is executed")
    dataset = dataset_of(experiment)
    work = planned_work(experiment, len(dataset.rows))
    findings, judged_per_s = _timed(experiment, dataset)
    checks = [*checks, *waive(findings.checks, waivers)]
    yield checks
    planned = plan_decision(experiment, findings)
    checks = [*checks, *waive(planning_checks(planned, findings), waivers)]
    yield checks
    if with_model and not blocking(checks):
        with tempfile.TemporaryDirectory(prefix="luagate-doctor-") as folder:
            looking = Looking(
                moment=datetime.now(UTC),
                prompts=Path(folder) / "prompts.jsonl",
                judged_per_s=judged_per_s,
                tell=lambda part: on_part(f"the model: {part}"),
            )
            probed = probe_model(experiment, findings.usable, looking)
        found = [*probed.checks, *time_checks(probed.found.pace, planned, work)]
        yield retold(checks, waive(found, waivers))


def time_checks(pace: Pace | None, planned: PlannedDecision, work: tuple[int, int]) -> list[Check]:
    """Return how long the gates will take and what a generation call holds, each with its basis.

    ``work``: steps that Gate C trains, and answers that it draws.
    """
    if pace is None:
        return []
    durations = gate_durations(pace, planned.generations, *work)
    total = about(sum(duration.seconds for duration in durations.values()))
    parts = ", ".join(f"{gate.upper()} {about(durations[gate].seconds)}" for gate in sorted(durations))
    measured = f"measured: {counted(pace.rows, 'row')} together for {pace.measured_s:.0f} s, and one training step"
    evidence = [f"{gate.upper()}: {durations[gate].basis}" for gate in sorted(durations)]
    return [
        replace(fact("time", f"about {total}: {parts}", measured), evidence=tuple(evidence)),
        fact("generation call", counted(pace.samples_per_call, "sample"), pace.call_reason),
    ]


def retold(before: list[Check], later: list[Check]) -> list[Check]:
    """Return both lists as one; a check repeated by the loaded model appears once, with the loaded model's result."""
    again = {check.name for check in later}
    return [*(check for check in before if check.name not in again), *later]
