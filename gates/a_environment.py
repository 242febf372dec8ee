"""Gate A, environment: can this machine and this data do the experiment? The decision rule is frozen here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from env.checks import Check, blocking, judged
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext, Progress
from gates.document import Document
from gates.report import GateReport

if TYPE_CHECKING:
    from eval.power import DetectableGain
    from eval.rule import DecisionRule
    from gates.data_checks import DataFindings
    from gates.settings import Experiment

TITLE = "environment"
USES = ("seed", "model", "backend", "dataset", "verifier", "sampling", "rule")
NEEDS = ()
PROJECT = Path(__file__).resolve().parent.parent


class Machine(Document):
    """What the machine must have; see env/rules.py for each."""

    min_python: str
    min_cores: float = Field(ge=0)
    min_free_disk_gb: float = Field(ge=0)
    min_free_ram_gb: float = Field(ge=0)
    require_gpu: bool
    min_vram_gb: float = Field(ge=0)
    min_compute_capability: float = Field(ge=0)
    require_packages: dict[str, str]
    require_engine: bool
    require_bubblewrap: bool


class Config(Document):
    """Gate A's configuration.

    ``waivers``: check name -> the reason to go on in spite of it; the report prints every one on its first page.
    ``assumed_base_pct``: the base's pass@k that planning figures assume before Gate B has measured it.
    """

    machine: Machine
    waivers: dict[str, str | None]
    assumed_base_pct: float = Field(gt=0, lt=100)


def plan(context: PlanContext) -> Plan:
    """Return what is looked at."""
    return Plan("machine, packages, data, one training step, one sample; freezes the rule")


def run(context: GateContext) -> GateReport:
    """Look at machine, data and model. Says no when an unwaived check blocks; never starts what cannot end well."""
    from gates.data_checks import inspect_data
    from gates.measuring import dataset_of

    experiment = context.experiment
    context.on_progress(Progress("machine", 0, 0, ""))
    checks = machine_checks(experiment, context.run_dir)
    context.on_progress(Progress("data", 0, 0, ""))
    findings = inspect_data(experiment, dataset_of(experiment))
    rule, detectable = plan_decision(experiment, findings)
    checks = waive([*checks, *findings.checks, _detectable_check(rule, detectable)], experiment.gate.a.waivers)
    tables: dict[str, Any] = {"dataset": findings.summary, "contaminated": list(findings.contaminated)}
    files = []
    if not blocking(checks):
        files = [_freeze(context, rule, detectable, tables)]
        checks += _model_checks(context, findings, tables)
    return _report(context, checks, tables, files, detectable)


def _model_checks(context: GateContext, findings: DataFindings, tables: dict[str, Any]) -> list[Check]:
    from gates.model_probe import probe_model

    context.safe_point()
    context.on_progress(Progress("model", 0, 0, ""))
    probed = probe_model(context, findings.usable)
    tables["probe"], tables["base"] = probed.table, probed.base
    return waive(probed.checks, context.experiment.gate.a.waivers)


def _report(
    context: GateContext, checks: list[Check], tables: dict[str, Any], files: list[Path], detectable: DetectableGain
) -> GateReport:
    stopping = blocking(checks)
    gain = "nothing" if detectable.gain is None else f"{100 * detectable.gain:.1f} pp"
    waived = sum(bool(check.waived) for check in checks)
    passed = f"{len(checks)} checks{f' ({waived} waived)' if waived else ''} · detectable gain {gain}"
    return conclude(
        context,
        "failed" if stopping else "passed",
        "; ".join(f"{check.name}: {check.value}" for check in stopping) if stopping else passed,
        reasons=[f"{check.name}: {check.reason}" for check in stopping],
        checks=checks,
        tables=tables,
        files=files,
    )


def machine_checks(experiment: Experiment, results: Path) -> list[Check]:
    """Return the judged facts of this machine."""
    from env.probe import probe
    from env.rules import EnvironmentRules, judge

    rules = EnvironmentRules(**experiment.gate.a.machine.model_dump())
    return list(judge(probe(results, PROJECT), rules))


def inspect_machine_and_data(experiment: Experiment, results: Path) -> list[Check]:
    """Return what Gate A would find without loading the model; for `doctor`."""
    from gates.data_checks import inspect_data
    from gates.measuring import dataset_of

    checks = machine_checks(experiment, results)
    findings = inspect_data(experiment, dataset_of(experiment))
    rule, detectable = plan_decision(experiment, findings)
    return waive([*checks, *findings.checks, _detectable_check(rule, detectable)], experiment.gate.a.waivers)


def waive(checks: list[Check], waivers: Mapping[str, str | None]) -> list[Check]:
    """Return the checks, misses that the user waived by name marked with the reason."""
    reasons = {name.replace("_", " "): reason for name, reason in waivers.items() if reason}
    return [
        replace(check, waived=reasons[check.name]) if check.name in reasons and not check.ok else check
        for check in checks
    ]


def plan_decision(experiment: Experiment, findings: DataFindings) -> tuple[DecisionRule, DetectableGain]:
    """Return the rule of this experiment, to be frozen, and the gain that it could detect."""
    from env.files import digest
    from eval.power import detectable_gain
    from eval.rule import DecisionRule

    sizes = findings.sizes
    rule = DecisionRule(
        **experiment.rule.model_dump(),
        selection="split",
        seed=experiment.seed,
        dev_tasks=sizes["dev_tasks"],
        dev_clusters=sizes["dev_clusters"],
        dev_samples=experiment.sampling.samples_dev,
        test_tasks=sizes["test_tasks"],
        test_clusters=sizes["test_clusters"],
        test_samples=experiment.sampling.samples_test,
        families=tuple(sorted({task.family for task in findings.usable.tasks})),
        splits_digest=digest({task.id: [task.split, task.cluster] for task in findings.usable.tasks}),
    )
    base_rate = experiment.gate.a.assumed_base_pct / 100
    return rule, detectable_gain(rule, rule.test_tasks, rule.test_clusters, rule.test_samples, base_rate)


def _detectable_check(rule: DecisionRule, detectable: DetectableGain) -> Check:
    found = detectable.gain is not None and 100 * detectable.gain <= rule.margin_pp
    return judged(
        "detectable gain",
        "warn",
        found,
        detectable.sentence,
        f"at most the margin of {rule.margin_pp:.1f} pp",
        reason="An adapter exactly as good as the margin asks would probably end INCONCLUSIVE.",
        fix="Use more test tasks (they help more than more samples), or a wider margin.",
    )


def _freeze(context: GateContext, rule: DecisionRule, detectable: DetectableGain, tables: dict[str, Any]) -> Path:
    from eval.rule import write_rule

    path = context.folder / "rule.json"
    tables["rule"], tables["rule_digest"] = rule.to_json(), write_rule(path, rule)
    tables["detectable"] = asdict(detectable)
    return path
