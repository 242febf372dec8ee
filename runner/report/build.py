"""From a run folder to everything its report says; what cannot be read costs its own part only."""

from __future__ import annotations

from typing import Any

from runner.report.data import CheckRow, Fact, GateSection, ReportData, SampleSource, Verdict
from runner.report.exposure import contamination_sentence
from runner.report.limits import read_limits
from runner.report.measures import read_curves, read_outcomes, read_passes
from runner.report.provenance import read_config, read_gates, read_provenance, read_reproduction
from runner.report.reading import NOTHING, Artifacts, read_artifacts
from runner.report.sweeping import read_sweep
from runner.report.tasks import read_source, read_tasks
from runner.report.training import read_training
from runner.report.trust import read_trust
from runner.report.verdict import read_basis, read_groups, read_recommendations, read_verdict
from runner.run import Run
from runner.screens.glance import subject
from runner.view import RunView, view_run

# What each gate adds to a report, for runs that have not come so far.
_ADDS = {
    "a": "the frozen rule and the checks of machine and data",
    "b": "what the base model can do",
    "c": "the adapter and its loss curve",
    "d": "the sweep over checkpoints and scales",
    "e": "the decision on unseen tasks",
}


def build(run: Run) -> ReportData:
    """Return what the report of ``run`` says, finished or not; damage is listed in ``problems``."""
    found, view = read_artifacts(run), view_run(run)
    gates = found.section("Gates", lambda artifacts: read_gates(artifacts, view), NOTHING)
    decided = _decided(found)
    measured = _measured(found)
    config: dict[str, Any] = found.section("config.yaml", read_config, {})
    limits = found.section(
        "Limits",
        lambda _: read_limits(
            decided["verdict"],
            decided["groups"],
            decided["sweep"],
            measured["outcomes"],
            measured["tasks"],
            config,
        ),
        NOTHING,
    )
    provenance = read_provenance(found)
    trust = found.section(
        "Trust", lambda artifacts: read_trust(artifacts, measured["tasks"], config.get("verifier") or {}), NOTHING
    )
    return ReportData(
        run_id=run.id,
        created_at=run.info.created_at,
        profile=run.info.profile,
        subject=subject(run.folder),
        state=run.machine.state,
        missing=tuple(_missing(gates, decided["verdict"])),
        waived=tuple(_waived(gates)),
        contamination=found.section("Contamination", contamination_sentence, ""),
        limits=limits,
        trust=trust,
        gates=gates,
        provenance=provenance,
        reproduce=read_reproduction(found),
        next_steps=found.section("Recommendations", lambda artifacts: _next_steps(artifacts, view), NOTHING),
        problems=tuple(dict.fromkeys(found.problems)),
        **decided,
        **measured,
    )


def _decided(found: Artifacts) -> dict[str, Any]:
    return {
        "verdict": found.section("Decision", read_verdict, None),
        "basis": found.section("What it was decided on", read_basis, NOTHING),
        "groups": found.section("Gain by group", read_groups, NOTHING),
        "sweep": found.section("Sweep", read_sweep, None),
    }


def _measured(found: Artifacts) -> dict[str, Any]:
    return {
        "outcomes": found.section("Outcomes", read_outcomes, NOTHING),
        "passes": found.section("pass@k", read_passes, NOTHING),
        "curves": found.section("pass@k by k", read_curves, NOTHING),
        "training": found.section("Training", read_training, None),
        "tasks": found.section("Tasks", read_tasks, NOTHING),
        "source": found.section("Samples", read_source, SampleSource()),
    }


def _missing(gates: tuple[GateSection, ...], verdict: Verdict | None) -> list[str]:
    lines = [
        f"Gate {gate.gate} {gate.title} ({gate.state}): {_ADDS[gate.gate.lower()]}."
        for gate in gates
        if gate.state not in ("passed", "said no")
    ]
    if not lines and verdict is None:
        lines.append("The decision: every gate concluded, but Gate E's report tells none that can be read.")
    return lines


def _waived(gates: tuple[GateSection, ...]) -> list[CheckRow]:
    return [check for gate in gates for check in gate.checks if check.state == "waived"]


def _next_steps(found: Artifacts, view: RunView) -> tuple[Fact, ...]:
    recommended = read_recommendations(found)
    if recommended or view.state == "finished" or "report" in view.next_command.split():
        return recommended or (Fact("1", "Use the adapter at the chosen checkpoint and scale.", _chosen(found)),)
    return (Fact("1", view.next_command, "goes on from here"),)


def _chosen(found: Artifacts) -> str:
    chosen = found.table("e", "chosen")
    return (
        f"{chosen['cell']}: gate_c/checkpoints/step-{int(chosen['step']):06d} at scale {chosen['scale']}"
        if chosen
        else ""
    )
