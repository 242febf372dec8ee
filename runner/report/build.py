"""From a run folder to everything its report says; what cannot be read costs its own part only."""

from __future__ import annotations

import re
from typing import Any

from eval.decision.cells import cell_from_name
from eval.decision.ruling import Ruling
from eval.decision.verdict import Decision
from gates.report.results import DecisionResults
from runner.report.data import Fact, GateSection, ReportData, SampleSource, Verdict
from runner.report.sections.exposure import contamination_sentence
from runner.report.sections.limits import read_limits
from runner.report.sections.measures import read_curves, read_outcomes, read_passes
from runner.report.sections.provenance import read_gates, read_provenance, read_reproduction
from runner.report.sections.sweep import read_sweep
from runner.report.sections.tasks import read_source, read_tasks
from runner.report.sections.training import read_training
from runner.report.sections.trust import read_trust
from runner.report.sections.verdict import read_basis, read_groups, read_recommendations, read_verdict
from runner.runs.folder import Run, command
from runner.views.artifacts import NOTHING, Artifacts, read_artifacts, read_config
from runner.views.folder_facts import subject
from runner.views.run_view import RunView, view_run

_GATE_FOLDER = re.compile(r"\bgate_([a-e])\b")
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
        waived=tuple(check for gate in gates for check in gate.checks if check.state == "waived"),
        contamination=found.section("Contamination", contamination_sentence, ""),
        k=found.section("Rule", _k, None),
        limits=limits,
        trust=trust,
        gates=gates,
        provenance=provenance,
        reproduce=read_reproduction(found),
        next_steps=_mending(found) or found.section("Recommendations", lambda it: _next_steps(it, view), NOTHING),
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
        if gate.state not in ("passed", "said no", "inconclusive")
    ]
    if not lines and verdict is None:
        lines.append("The decision: every gate concluded, but Gate E's report tells none that can be read.")
    return lines


def _k(found: Artifacts) -> int | None:
    return None if found.rule is None else found.rule.k


def _mending(found: Artifacts) -> tuple[Fact, ...]:
    """Return how a damaged run is mended, before anything is done by what it says; () of an intact one."""
    gates = sorted({gate for problem in found.problems for gate in _GATE_FOLDER.findall(problem)})
    if not found.problems:
        return ()
    rewind = command(found.run.folder, f"rewind {gates[0].upper()}") if gates else ""
    again = f"or let the first of the damaged gates be done again: {rewind}" if rewind else ""
    return (Fact("1", "Restore the files named above as the gates wrote them,", again),)


def _next_steps(found: Artifacts, view: RunView) -> tuple[Fact, ...]:
    recommended, results = read_recommendations(found), found.results(DecisionResults)
    if recommended:
        return recommended
    if results is None:
        return (Fact("1", view.next_command, "goes on from here"),)
    verdict = results.decision.verdict
    if verdict is not Ruling.PROCEED:
        return (Fact("1", "Keep the base: the verdict does not carry this adapter.", str(verdict)),)
    take = command(found.run.folder, "export --to FOLDER")
    return (Fact("1", f"Use the adapter at the chosen checkpoint and scale: {take}", _chosen(results.decision)),)


def _chosen(decision: Decision) -> str:
    cell = cell_from_name(decision.cell)
    return f"{cell.name}: gate_c/checkpoints/step-{cell.step:06d} at scale {cell.scale:g}"
