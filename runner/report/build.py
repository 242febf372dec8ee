"""From a run folder to everything its report says; what cannot be read costs its own part only."""

from __future__ import annotations

from typing import Any

from gates import GATES
from runner.report.data import GateSection, Judged, ReportData, SampleSource, Verdict
from runner.report.sections.exposure import contamination_sentence
from runner.report.sections.limits import read_limits
from runner.report.sections.marks import mark
from runner.report.sections.measures import read_curves, read_outcomes, read_passes
from runner.report.sections.next_steps import read_next_steps, read_repair
from runner.report.sections.provenance import read_gates, read_provenance, read_reproduction
from runner.report.sections.quality import read_quality
from runner.report.sections.rounds import read_rounds
from runner.report.sections.sweep import read_sweep
from runner.report.sections.tasks import read_source, read_tasks
from runner.report.sections.training import read_training
from runner.report.sections.trust import read_trust
from runner.report.sections.verdict import read_basis, read_groups, read_verdict
from runner.runs.folder import Run
from runner.views.artifacts import NOTHING, Artifacts, read_artifacts, read_config
from runner.views.folder_facts import is_smoke, subject
from runner.views.run_view import view_run


def build(run: Run) -> ReportData:
    """Return what the report of ``run`` says, finished or not; damage is listed in ``problems``."""
    found, view = read_artifacts(run), view_run(run)
    gates = found.section("Gates", lambda artifacts: read_gates(artifacts, view), NOTHING)
    decided = _decided(found)
    measured = _measured(found)
    marked = mark(found, measured.pop("tasks"))
    config: dict[str, Any] = found.section("config.yaml", read_config, {})
    limits = found.section(
        "Limits",
        lambda _: read_limits(
            decided["verdict"],
            decided["groups"],
            decided["sweep"],
            measured["outcomes"],
            marked.tasks,
            config,
        ),
        NOTHING,
    )
    unread: tuple[Judged | None, str] = (None, "")
    judged, no_judged = found.section("Judged quality", read_quality, unread)
    provenance = read_provenance(found)
    trust = found.section(
        "Trust", lambda artifacts: read_trust(artifacts, marked.tasks, config.get("verifier") or {}), NOTHING
    )
    return ReportData(
        run_id=run.id,
        created_at=run.info.created_at,
        profile=run.info.profile,
        subject=subject(run.folder),
        state=run.machine.state,
        smoke=is_smoke(run.folder),
        missing=tuple(_missing(gates, decided["verdict"])),
        waived=tuple(check for gate in gates for check in gate.checks if check.state == "waived"),
        contamination=found.section("Contamination", contamination_sentence, ""),
        k=found.section("Rule", lambda artifacts: artifacts.rule.k if artifacts.rule is not None else None, None),
        limits=limits,
        trust=trust,
        gates=gates,
        provenance=provenance,
        reproduce=read_reproduction(found),
        next_steps=read_repair(found)
        or found.section("Recommendations", lambda artifacts: read_next_steps(artifacts, view), NOTHING),
        tasks=marked.tasks,
        marks=marked.rows,
        no_marks=marked.why_not,
        judged=judged,
        no_judged=no_judged,
        problems=tuple(dict.fromkeys(found.problems)),
        **decided,
        **measured,
    )


def _decided(found: Artifacts) -> dict[str, Any]:
    return {
        "verdict": found.section("Decision", read_verdict, None),
        "basis": found.section("Basis of the decision", read_basis, NOTHING),
        "groups": found.section("Gain by group", read_groups, NOTHING),
        "sweep": found.section("Sweep", read_sweep, None),
    }


def _measured(found: Artifacts) -> dict[str, Any]:
    return {
        "outcomes": found.section("Outcomes", read_outcomes, NOTHING),
        "passes": found.section("pass@k", read_passes, NOTHING),
        "curves": found.section("pass@k by k", read_curves, NOTHING),
        "rounds": found.section("Rounds", read_rounds, None),
        "training": found.section("Training", read_training, None),
        "tasks": found.section("Tasks", read_tasks, NOTHING),
        "source": found.section("Samples", read_source, SampleSource()),
    }


def _missing(gates: tuple[GateSection, ...], verdict: Verdict | None) -> list[str]:
    lines = [
        f"Gate {gate.gate} {gate.title} ({gate.state}): {GATES[gate.gate.lower()].adds}."
        for gate in gates
        if gate.state not in ("passed", "said no", "inconclusive")
    ]
    if not lines and verdict is None:
        lines.append("The decision: every gate concluded, but Gate E's report has none that can be read.")
    return lines
