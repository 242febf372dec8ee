"""The decision rule of an experiment and its cost, planned before any model is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from env.checks import Check, fact, judged
from env.files import digest
from env.wording.counts import counted
from eval.decision.power import DetectableGain, detectable_gain
from eval.decision.racing import Place
from eval.decision.rule import DecisionRule
from gates.a_environment.data_checks import DataFindings
from gates.measuring.search import course_of, planned_cells
from gates.report.results import Generations
from gates.settings import Experiment


@dataclass(frozen=True, slots=True)
class PlannedDecision:
    """The rule to be frozen, the gain it could detect, and the generations it costs."""

    rule: DecisionRule
    detectable: DetectableGain
    generations: Generations


def plan_decision(experiment: Experiment, findings: DataFindings) -> PlannedDecision:
    """Return the rule of this experiment on the tasks that Gate A found, with its planning figures."""
    rule = _rule(experiment, findings)
    generations = _generations(experiment, findings, rule)
    base_rate = experiment.gate.a.assumed_base_pct / 100
    if rule.selection == "split":
        sizes = (rule.test_tasks, rule.test_clusters, rule.test_samples)
        return PlannedDecision(rule, detectable_gain(rule, *sizes, base_rate), generations)
    sizes = (rule.dev_tasks, rule.dev_clusters, rule.dev_samples)
    planned = detectable_gain(rule, *sizes, base_rate, cells=generations.cells)
    return PlannedDecision(rule, planned, generations)


def _rule(experiment: Experiment, findings: DataFindings) -> DecisionRule:
    sizes, tasks = findings.sizes, findings.usable.tasks
    return DecisionRule(
        **{**asdict(experiment.rule), "selection": findings.selection},
        seed=experiment.seed,
        dev_tasks=sizes["dev_tasks"],
        dev_clusters=sizes["dev_clusters"],
        dev_samples=experiment.sampling.samples_dev,
        test_tasks=sizes["test_tasks"],
        test_clusters=sizes["test_clusters"],
        test_samples=experiment.sampling.samples_test,
        families=tuple(sorted({task.family for task in tasks})),
        splits_digest=digest({task.id: [task.split, task.cluster] for task in tasks}),
    )


def _generations(experiment: Experiment, findings: DataFindings, rule: DecisionRule) -> Generations:
    cells = planned_cells(experiment, len(findings.usable.rows))
    dev = [task for task in findings.usable.tasks if task.split == "dev"]
    course, _ = course_of(experiment, rule, [Place(task.id, task.family, task.cluster) for task in dev], cells)
    base_dev, on_test = rule.dev_tasks * rule.dev_samples, rule.test_tasks * rule.test_samples
    return Generations(
        base=base_dev + on_test,
        sweep=course.samples(rule.dev_samples),
        grid=cells * base_dev,
        decision=on_test,
        usual=(cells + 1) * base_dev,
        cells=cells,
    )


def planning_checks(planned: PlannedDecision, findings: DataFindings) -> list[Check]:
    """Return how the cell will be chosen, what could be detected, and what it will cost."""
    return [
        fact("selection", planned.rule.selection, findings.selection_reason),
        _detectable_check(planned.rule, planned.detectable),
        _generations_check(planned.generations),
    ]


def _detectable_check(rule: DecisionRule, detectable: DetectableGain) -> Check:
    found = detectable.gain is not None and 100 * detectable.gain <= rule.margin_pp
    return judged(
        "detectable gain",
        "warn",
        found,
        detectable.sentence,
        f"at most the margin of {rule.margin_pp:.1f} pp",
        reason="An adapter whose true gain equals the margin would probably end INCONCLUSIVE.",
        fix="Use more test tasks (they help more than more samples), or a wider margin.",
    )


def _generations_check(planned: Generations) -> Check:
    raced = f" (the grid {planned.grid:,})" if planned.sweep < planned.grid else ""
    parts = (
        f"B {planned.base:,} of the base, D {planned.sweep:,} of {counted(planned.cells, 'cell')}{raced}, "
        f"E {planned.decision:,} of the chosen one; best of all cells on dev alone would need {planned.usual:,}"
    )
    return fact("generations", f"{planned.total:,} in total", parts)
