"""Gate A, environment: can this machine and this data do the experiment? The decision rule is frozen here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from env.checks import Check, blocking
from env.machine.probe import probe
from env.pins import find_lock
from env.requirements import EnvironmentRules, judge
from eval.decision.rule import write_rule
from gates.a_environment.data_checks import DataFindings, contamination_facts, inspect_data
from gates.a_environment.decision_plan import PlannedDecision, plan_decision, planning_checks
from gates.a_environment.model_files import model_checks, model_checks_or_miss
from gates.a_environment.model_probe import probe_model
from gates.context import GateContext, PlanContext, Progress, conclude
from gates.measuring.bench import dataset_of
from gates.report import GateReport
from gates.report.results import EnvironmentResults, FrozenRule, ModelProbe
from gates.settings import Experiment
from training.backends import find_backend
from training.schedule import with_steps

PROJECT = Path(__file__).resolve().parents[2]


def run(context: GateContext) -> GateReport:
    """Check machine, data and model. Says no when an unwaived check blocks."""
    experiment = context.experiment
    context.on_progress(Progress("machine", 0, 0, ""))
    checks = [*machine_checks(experiment, context.run_dir), *model_checks(experiment, context.run_dir)]
    context.on_progress(Progress("data", 0, 0, ""))
    dataset = dataset_of(experiment)
    # epochs become steps with the rows: a schedule without a checkpoint is refused here, not after the baseline
    with_steps(experiment.gate.c.train, len(dataset.rows))
    findings = inspect_data(experiment, dataset)
    context.on_progress(Progress("planning", 0, 0, "", "what these tasks can detect"))
    planned = plan_decision(experiment, findings)
    checks = waive([*checks, *findings.checks, *planning_checks(planned, findings)], experiment.gate.a.waivers)
    if blocking(checks):
        return _report(context, checks, findings, planned, None, None)
    frozen = freeze(context, planned, findings)
    context.safe_point()
    context.on_progress(Progress("model", 0, 0, ""))
    probed = probe_model(experiment, findings.usable)
    checks = retold(checks, waive(probed.checks, experiment.gate.a.waivers))
    return _report(context, checks, findings, planned, frozen, probed.found)


def _report(
    context: GateContext,
    checks: list[Check],
    findings: DataFindings,
    planned: PlannedDecision,
    frozen: FrozenRule | None,
    probe: ModelProbe | None,
) -> GateReport:
    stopping = blocking(checks)
    gain = "nothing" if planned.detectable.gain is None else f"{100 * planned.detectable.gain:.1f} pp"
    waived = sum(bool(check.waived) for check in checks)
    passed = (
        f"{len(checks)} checks{f' ({waived} waived)' if waived else ''} · detectable gain {gain} · "
        f"{planned.generations.total:,} generations"
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
        files=[rule_file(context)] if frozen is not None else [],
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
    rules = EnvironmentRules(**experiment.gate.a.machine.model_dump())
    backend = find_backend(experiment.backend.name)
    locks = tuple(find_lock(name) for name in backend.locks)
    return list(judge(probe(results, PROJECT, locks, backend.extras), rules))


def inspect(
    experiment: Experiment, results: Path, *, with_model: bool, on_part: Callable[[str], None] = lambda _part: None
) -> Iterator[list[Check]]:
    """Yield, after each part, everything found so far, so that a later refusal hides no line.

    The model is loaded only ``with_model`` and when nothing before it blocks. ``on_part`` receives the name of the next
    part.

    Raises:
        Refusal: a part cannot be checked.
    """
    on_part("the machine")
    checks = machine_checks(experiment, results)
    yield waive(checks, experiment.gate.a.waivers)
    on_part("the model's files, without reading a weight")
    checks = [*checks, *model_checks_or_miss(experiment, results)]
    yield waive(checks, experiment.gate.a.waivers)
    on_part("the data: every reference and training answer is executed")
    dataset = dataset_of(experiment)
    with_steps(experiment.gate.c.train, len(dataset.rows))
    findings = inspect_data(experiment, dataset)
    checks = [*checks, *findings.checks]
    yield waive(checks, experiment.gate.a.waivers)
    checks = [*checks, *planning_checks(plan_decision(experiment, findings), findings)]
    yield waive(checks, experiment.gate.a.waivers)
    if with_model and not blocking(waive(checks, experiment.gate.a.waivers)):
        on_part("the model: one training step, one adapter saved and read back, one sample")
        checks = retold(checks, probe_model(experiment, findings.usable).checks)
        yield waive(checks, experiment.gate.a.waivers)


def retold(before: list[Check], later: list[Check]) -> list[Check]:
    """Return both lists as one; a check repeated by the loaded model appears once, with the loaded model's result."""
    again = {check.name for check in later}
    return [*(check for check in before if check.name not in again), *later]


def waive(checks: list[Check], waivers: Mapping[str, str | None]) -> list[Check]:
    """Return the checks, with failures that the user waived by name marked with the reason."""
    reasons = {name.replace("_", " "): reason for name, reason in waivers.items() if reason}
    return [
        replace(check, waived=reasons[check.name]) if check.name in reasons and not check.ok else check
        for check in checks
    ]
