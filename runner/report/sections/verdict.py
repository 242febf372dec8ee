"""The decision part of a report: the verdict, the gain by group, what it rests on."""

from __future__ import annotations

from collections.abc import Mapping

from env.wording.counts import counted
from eval.decision.guards import FamilyGain
from eval.decision.regressions import GroupGain
from eval.decision.verdict import Decision
from eval.estimation.intervals import Estimate
from eval.records import Metric
from gates.report.results import DecisionResults, EnvironmentResults, SweepResults
from runner.report.data import Fact, GainGroup, GuardRow, Interval, Verdict
from runner.views.artifacts import Artifacts


def read_verdict(found: Artifacts) -> Verdict | None:
    """Return the verdict of Gate E's report; None where it has none."""
    results = found.results(DecisionResults)
    if results is None:
        return None
    decision = results.decision
    return Verdict(
        word=str(decision.verdict),
        strong=decision.strong,
        sentence=decision.headline,
        gain=estimate_interval("all tasks", decision.gain),
        base=estimate_interval("base", decision.base, "%"),
        adapter=estimate_interval("adapter", decision.adapter, "%"),
        lower=points(decision.gain.lower),
        upper=points(decision.gain.upper),
        margin=100 * decision.margin,
        detectable=points(decision.detectable_gain),
        k=decision.k,
        cell=decision.cell,
        method=decision.method,
        reasons=decision.reasons,
        guards=tuple(GuardRow(g.name, g.level, g.fired, g.sentence) for g in decision.guards),
        without_contaminated=_without_contaminated(results.decision_without_contaminated)
        or results.no_decision_without_contaminated,
    )


def read_groups(found: Artifacts) -> tuple[GainGroup, ...]:
    """Return the gain by family, kind and difficulty, as far as Gate E's report tells it; guards look at families."""
    results = found.results(DecisionResults)
    if results is None:
        return ()
    families = {item.family: _family(item) for item in results.decision.families}
    told = [_group(group, families) for group in results.groups]
    if any(group.by == "family" for group in told):
        return tuple(told)
    return (*families.values(), *told)


def _family(item: FamilyGain) -> GainGroup:
    mark = "harmed" if item.harmed else "" if item.noninferior else "a loss is not ruled out"
    return GainGroup("family", estimate_interval(item.family, item.gain, mark=mark))


def _group(group: GroupGain, families: Mapping[str, GainGroup]) -> GainGroup:
    """Return one of Gate E's groups, whose metrics are in pp and % already."""
    guarded = families[group.name].gain.mark if group.by == "family" and group.name in families else ""
    gain = metric_interval(group.gain, group.name, guarded or group.flag, group.clusters)
    return GainGroup(group.by, gain, group.base.value, group.cell.value)


def metric_interval(metric: Metric, label: str = "", mark: str = "", clusters: int | None = None) -> Interval:
    """Return a stored Metric as an interval."""
    return Interval(label or metric.name, metric.value, metric.low, metric.high, metric.unit, metric.n, mark, clusters)


def estimate_interval(label: str, estimate: Estimate, unit: str = "pp", mark: str = "") -> Interval:
    """Return a stored Estimate, which is in fractions, as an interval in percentage points or percent."""
    value, low, high = points(estimate.value), points(estimate.low), points(estimate.high)
    return Interval(label, value, low, high, unit, estimate.n, mark, estimate.clusters)


def points(fraction: float | None) -> float | None:
    """Return a fraction in percentage points; None stays None."""
    return None if fraction is None else 100 * fraction


def _without_contaminated(decision: Decision | None) -> str:
    if decision is None:
        return ""
    gain = decision.gain
    value, low, high = (signed(points(number)) for number in (gain.value, gain.low, gain.high))
    left_out = f"Without the {len(decision.excluded)} contaminated tasks"
    return f"{left_out}: {decision.verdict}, gain {value} ({low} to {high}) on {counted(gain.n, 'task')}."


def signed(value: float | None, unit: str = " pp") -> str:
    """Return '+12.3 pp', or 'undefined'."""
    return "undefined" if value is None else f"{value:+.1f}{unit}"


def read_basis(found: Artifacts) -> tuple[Fact, ...]:
    """Return what the decision rests on, as far as the run has come."""
    rule, environment = found.rule, found.results(EnvironmentResults)
    if rule is None or environment is None:
        return ()
    dataset = environment.dataset
    decided_on = (
        "test tasks" if rule.selection == "split" else "the dev tasks, corrected for the number of cells (max-T)"
    )
    facts = [
        Fact(
            "Rule",
            f"pass@{rule.k} gain ≥ {rule.margin_pp:g} pp on {decided_on}",
            "frozen before any model was loaded",
        ),
        Fact(
            "Test",
            _size(rule.test_tasks, rule.test_clusters, rule.test_samples),
            "used only by Gate E" if rule.test_tasks else "",
        ),
        Fact("Dev", _size(rule.dev_tasks, rule.dev_clusters, rule.dev_samples), "used to select the cell"),
        Fact("Training", counted(dataset.rows, "row"), f"{dataset.name}, {counted(dataset.tasks, 'task')} in all"),
        *_tried(found),
        *_detectable(found),
        *_judges(found),
    ]
    if dataset.excluded:
        facts.append(Fact("Left out", counted(len(dataset.excluded), "task"), ", ".join(dataset.excluded[:10])))
    return (*facts, *(Fact("Note", note) for note in dataset.notes))


def _size(tasks: int, clusters: int, samples: int) -> str:
    return (
        f"{counted(tasks, 'task')} in {counted(clusters, 'cluster')} × {counted(samples, 'sample')}"
        if tasks
        else "none"
    )


def _tried(found: Artifacts) -> list[Fact]:
    sweep, decided = found.results(SweepResults), found.results(DecisionResults)
    facts = []
    if sweep is not None:
        facts.append(Fact("Cells tried", f"{len(sweep.cells)}", "on dev; one was selected"))
    if decided is not None and decided.openings:
        times = len(decided.openings)
        note = "" if times == 1 else "every extra look weakens the result"
        facts.append(Fact("Test opened", "once" if times == 1 else f"{times} times", note))
    return facts


def _detectable(found: Artifacts) -> list[Fact]:
    environment, decided = found.results(EnvironmentResults), found.results(DecisionResults)
    facts = []
    if environment is not None and environment.frozen is not None:
        facts.append(Fact("Detectable gain, planned", environment.frozen.detectable.sentence))
    if decided is not None and decided.decision.detectable_gain is not None:
        gain = f"{100 * decided.decision.detectable_gain:.1f} pp"
        facts.append(Fact("Detectable gain, measured", gain, "from the measured standard error, with 80% power"))
    return facts


def _judges(found: Artifacts) -> list[Fact]:
    judge = found.judge
    if judge is None:
        return []
    return [Fact("Verifier", judge.verifier, f"isolation: {judge.isolation.replace('+', ' + ')}")]
