"""Runs side by side, from their artifacts alone: what each measured, and how they differ.

Not covered: choosing the best of several runs by their test results, which is a selection on test and looks better than
it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from env.counts import counted
from eval.records import Metric
from gates import stores
from gates.report.results import BaselineResults, DecisionResults, EnvironmentResults, SweepResults, TrainingResults
from runner.runs.folder import Run
from runner.views.artifacts import NOTHING, Artifacts, read_artifacts, read_config
from runner.views.paired_adapters import Pairing, pair
from runner.views.run_view import CONCLUDED, RunView, view_run

_NOT_THERE = "missing"
Measured = tuple[Metric | None, Metric | None, Metric | None]


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What one run's report says about one group of tasks: pass@k of both arms, and the paired gain by cluster."""

    by: str
    name: str
    tasks: int
    gain: Metric
    flag: str
    clusters: int
    base: Metric
    adapter: Metric


@dataclass(frozen=True, slots=True)
class Side:
    """One run, as far as it has progressed.

    Attributes:
        number: its place on the command line, from 1; what other parts call it.
        stands: "finished", or the state of its current gate, such as "C training crashed".
        headline: of the last gate that concluded.
        verdict: "PROCEED (strong)" or another ruling; "" before Gate E.
        size: tasks, clusters and samples it was decided on; "" before Gate A.
        base, adapter, gain: on the test tasks; None where not measured.
        waived: checks that said no and were waived, each with its reason.
        without_contaminated: the decision without the tasks that training has seen; "" where there are none.
        problems: damage in its folder.
    """

    number: int
    id: str
    created_at: str
    profile: str
    stands: str
    headline: str
    verdict: str
    cell: str
    size: str
    base: Metric | None
    adapter: Metric | None
    gain: Metric | None
    groups: tuple[GroupResult, ...]
    waived: tuple[str, ...]
    without_contaminated: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the runs differ: ``part`` is "config", "data", "model" or "code"; one value a run."""

    part: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs, every later one paired with the first, and what differs."""

    sides: tuple[Side, ...]
    pairings: tuple[Pairing, ...]
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return asdict(self)


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Return the comparison of two and more opened runs; damage is named in each side's ``problems``."""
    found = [_concluded(read_artifacts(run)) for run in runs]
    pairings = [pair(found[0], found[place], place + 1) for place in range(1, len(found))]
    differences = _differences(found)
    sides = [
        _side(artifacts, view_run(run), place)
        for place, (artifacts, run) in enumerate(zip(found, runs, strict=True), 1)
    ]
    return Comparison(tuple(sides), tuple(pairings), differences)


def _concluded(found: Artifacts) -> Artifacts:
    """Return the artifacts without reports of gates that are to be run again: those describe an earlier attempt."""
    reports = {gate: report for gate, report in found.reports.items() if found.run.has_concluded(gate)}
    return Artifacts(found.run, reports, found.problems)


def _side(found: Artifacts, view: RunView, number: int) -> Side:
    unmeasured: Measured = (None, None, None)
    base, adapter, gain = found.section("Metrics", _metrics, unmeasured)
    concluded = [gate for gate in view.gates if gate.state in CONCLUDED]
    return Side(
        number=number,
        id=found.run.id,
        created_at=found.run.info.created_at,
        profile=found.run.info.profile,
        stands=_stands(view),
        headline=concluded[-1].text if concluded else "",
        verdict=found.section("Verdict", _verdict, ""),
        cell=found.section("Cell", _cell, ""),
        size=found.section("Size", _size, ""),
        base=base,
        adapter=adapter,
        gain=gain,
        groups=found.section("Groups", _groups, NOTHING),
        waived=tuple(
            f"{check.name}: {check.value}; waived because: {check.waived}"
            for report in found.reports.values()
            for check in report.checks
            if check.waived
        ),
        without_contaminated=found.section("Without the contaminated", _without_contaminated, ""),
        problems=tuple(dict.fromkeys(found.problems)),
    )


def _stands(view: RunView) -> str:
    if view.state == "finished":
        return "finished"
    stands = next((gate for gate in view.gates if gate.state != "passed"), view.gates[-1])
    if stores(stands.gate, "decision") and stands.state in CONCLUDED:
        return "finished"
    word = {"failed": "said no", "ready": "is next"}.get(stands.state, stands.state)
    return f"{stands.gate.upper()} {stands.title} {word}"


def _verdict(found: Artifacts) -> str:
    results = found.results(DecisionResults)
    if results is None:
        return ""
    return f"{results.decision.verdict}{' (strong)' if results.decision.strong else ''}"


def _cell(found: Artifacts) -> str:
    results = found.results(DecisionResults) or found.results(SweepResults)
    return results.chosen.cell if results is not None else ""


def _metrics(found: Artifacts) -> Measured:
    """Return pass@k of base and adapter and the gain, on test; the base alone before Gate E."""
    decided = found.results(DecisionResults)
    if decided is not None:
        base, adapter, gain = decided.decision.metrics()[:3]
        return base, adapter, gain
    rule, baseline = found.rule, found.results(BaselineResults)
    if rule is None or baseline is None or "test" not in baseline.splits:
        return None, None, None
    return next((metric for metric in baseline.splits["test"].metrics if metric.k == rule.k), None), None, None


def _size(found: Artifacts) -> str:
    rule = found.rule
    if rule is None:
        return ""
    if rule.selection == "split":
        return f"{counted(rule.test_tasks, 'task')} in {counted(rule.test_clusters, 'cluster')} x {rule.test_samples}"
    return f"{counted(rule.dev_tasks, 'task')} in {counted(rule.dev_clusters, 'cluster')} x {rule.dev_samples}"


def _groups(found: Artifacts) -> tuple[GroupResult, ...]:
    results = found.results(DecisionResults)
    groups = results.groups if results is not None else ()
    return tuple(
        GroupResult(g.by, g.name, g.tasks, g.gain, g.flag, clusters=g.clusters, base=g.base, adapter=g.cell)
        for g in groups
    )


def _without_contaminated(found: Artifacts) -> str:
    results = found.results(DecisionResults)
    if results is None:
        return ""
    clean = results.decision_without_contaminated
    if clean is None:
        return results.no_decision_without_contaminated
    gain = clean.gain.value
    value = "undefined" if gain is None else f"{100 * gain:+.1f} pp"
    return f"without {len(clean.excluded)} contaminated tasks: {clean.verdict}, gain {value}"


def _differences(found: Sequence[Artifacts]) -> tuple[Difference, ...]:
    """Return everything in which the runs differ, configuration first."""
    parts = {"config": lambda found: _flat(read_config(found), ""), "data": _data, "model": _model, "code": _code}
    rows = []
    nothing: dict[str, str] = {}
    for part, read in parts.items():
        values = [artifacts.section(f"Differences in {part}", read, nothing) for artifacts in found]
        for key in dict.fromkeys(key for own in values for key in own):
            shown = tuple(own.get(key, _NOT_THERE) for own in values)
            if len(set(shown)) > 1:
                rows.append(Difference(part, key, shown))
    return tuple(rows)


def _flat(config: Mapping[str, Any], prefix: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for key, value in config.items():
        rows |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": str(value)}
    return rows


def _data(found: Artifacts) -> dict[str, str]:
    results = found.results(EnvironmentResults)
    if results is None:
        return {}
    named = ("name", "digest", "tasks", "rows", "dev_tasks", "test_tasks")
    rows = {f"dataset {key}": str(getattr(results.dataset, key)) for key in named}
    return {**rows, **({"decision rule": results.frozen.digest} if results.frozen is not None else {})}


def _model(found: Artifacts) -> dict[str, str]:
    base, trained, judge = found.base, found.results(TrainingResults), found.judge
    rows: dict[str, str] = {}
    if base is not None:
        rows |= {"base model": base.digest, "parameters": f"{base.parameters:,}"}
    if trained is not None:
        rows |= {"trained examples": str(trained.training.examples)}
        rows |= {"trained trainable_parameters": str(trained.training.trainable_parameters)}
    if judge is not None:
        rows |= {"verifier": judge.verifier, "isolation": judge.isolation}
    return rows


def _code(found: Artifacts) -> dict[str, str]:
    versions = {name: version for report in found.reports.values() for name, version in report.versions.items()}
    return {"source": found.run.info.git or "unknown", **versions}
