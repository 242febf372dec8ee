"""Advance a run: one gate after the other, each in a fresh worker process, until a gate says no or the end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from env.estimates import about
from env.files import make_folder, refusing, sha256_file, sync_folder, write_atomic
from env.heartbeat import Pulse, read_heartbeat
from env.locking import RunLock
from env.logs import log_path
from env.refusal import Refusal
from env.reserve import keep_reserve
from gates import LAST, plans
from gates.context import PlanContext
from gates.measuring.bench import domain_of_experiment
from gates.measuring.pace import Duration, recorded_durations
from gates.report import GateReport, read_report
from gates.settings import Experiment, WatchSection
from gates.versions import versions_of
from runner.advance.failure import Failure, read_failure, unspoken_failure
from runner.advance.memory_advice import memory_advice
from runner.advance.supervisor import Ending, Stop, gate_work, supervise
from runner.changing.edits import accept, accept_hand_edits, propose
from runner.runs.config import read_config
from runner.runs.exit_codes import Exit
from runner.runs.folder import Run, archive_old_attempts, command, remove_temporary_files
from runner.runs.journal import EventType, now
from runner.runs.locations import PROJECT
from runner.runs.state_machine import FINISHED, GATES
from runner.validity.equivalence import Installation
from runner.validity.freshness import Freshness, Inputs, compare, examine, gate_inputs, read_inputs, write_inputs
from runner.validity.intactness import require_intact
from runner.validity.reuse import record_reuse, remove_stages, requested_anew, reuse_gate
from runner.views.folder_facts import lost_work
from training.backends import find_backend


class Screen(Protocol):
    """What an advance reports while it runs (runner/screens displays it)."""

    def opened(self, run: Run) -> None: ...
    def noticed(self, run: Run, sentences: list[str]) -> None: ...
    def gate_reused(self, run: Run, report: GateReport) -> None: ...
    def gate_started(self, run: Run, gate: str, resumed: bool) -> None: ...
    def pulse(self, gate: str, pulse: Pulse) -> None: ...
    def gate_ended(self, run: Run, report: GateReport) -> None: ...
    def gate_crashed(self, run: Run, gate: str, failure: Failure) -> None: ...
    def gate_stopping(self, run: Run, gate: str, pulse: Pulse | None) -> None: ...
    def gate_stopped(self, run: Run, gate: str, lost: str = "") -> None: ...
    def stopped_after(self, run: Run, gate: str) -> None: ...
    def stale(self, run: Run, found: list[Freshness]) -> None: ...
    def finished(self, run: Run) -> None: ...


@dataclass(frozen=True, slots=True)
class Advance:
    """One call of ``advance``: its run and lock, stop signals, screen and last gate.

    ``fresh``: compute every gate, reuse none.
    """

    run: Run
    lock: RunLock
    stop: Stop
    screen: Screen
    to: str
    fresh: bool


def advance(folder: Path, screen: Screen, to: str = LAST, fresh: bool = False) -> int:
    """Advance the run in ``folder`` up to and including gate ``to``; return the exit code.

    Raises:
        LockHeld: another process advances this run.
        Refusal: the run folder cannot be read or written, or a gate lacks what it needs.
    """
    stop = Stop()
    # absolute, because the worker has another working folder
    with Run.held(folder.resolve()) as (run, lock), stop.installed():
        screen.opened(run)
        remove_temporary_files(run)
        keep_reserve(run.folder)
        archive_old_attempts(run)
        remove_stages(run)
        heal(run)
        if reopened := reopen_without_report(run):
            screen.noticed(run, reopened)
        if edits := accept_hand_edits(run):
            screen.noticed(run, [f"config.yaml was edited by hand, now recorded: {edit}" for edit in edits])
        here = Advance(run, lock, stop, screen, to, fresh)
        while True:
            code = _step(here)
            if code is not None:
                return code


def heal(run: Run) -> None:
    """Record the end of a gate whose report was written but whose event was not (killed in between)."""
    gate = run.machine.gate
    if not gate or run.machine.phase == "failed":
        return
    report = read_report(run.gate_folder(gate) / "report.json")
    if report is None or report.attempt != run.attempts[gate]:
        return
    if run.machine.phase != "ready":
        if run.machine.phase != "started":
            run.record(EventType.GATE_STARTED, gate, healed=True, **_session(run, gate, resumed=True))
        record_report(run, report)
    elif report.reused_from is not None:
        record_reuse(run, report, 0.0)


def reopen_without_report(run: Run) -> list[str]:
    """Go back to the gate that concluded last if its report is missing; return what was done, in sentences.

    No event is written before its report is flushed: only a disk that failed to flush, or a user, removes it. Where a
    later gate has begun to build on it, or test tasks would be opened again, nothing is changed: advancing refuses.
    """
    here = run.machine.gate
    gate = GATES[GATES.index(here) - 1] if here else ""
    if here in ("", GATES[0]) or run.machine.phase != "ready" or (run.gate_folder(gate) / "report.json").exists():
        return []
    run.record(EventType.GATE_REWOUND, gate, why=["its report was lost"])
    archive_old_attempts(run)
    return [
        f"gate_{gate}/report.json was lost: gate {gate.upper()} starts a new attempt; the rest of the old one is kept."
    ]


def record_report(run: Run, report: GateReport) -> None:
    """Record a written report in the journal."""
    # its writer may have been killed between the rename and the folder's flush: an event must not survive its report
    sync_folder(run.gate_folder(report.gate))
    kind = EventType.GATE_PASSED if report.status == "passed" else EventType.GATE_FAILED
    run.record(
        kind,
        report.gate,
        headline=report.headline,
        seconds=report.seconds,
        reasons=report.reasons[:3],
        attempt=report.attempt,
        report_sha256=sha256_file(run.gate_folder(report.gate) / "report.json"),
    )


def _step(here: Advance) -> int | None:
    """Run one gate; return an exit code when the advance ends here, None to continue."""
    run = here.run
    experiment, config = read_config(run.file("config.yaml"))
    store_plans(run, PlanContext(run.folder, experiment))
    gate = run.machine.gate
    ends_here = run.machine.state == FINISHED or GATES.index(gate) > GATES.index(here.to)
    if not ends_here and run.machine.phase != "failed":
        require_intact(run, gate)
    stale = [item for item in examine(run, config) if not item.fresh]
    if run.machine.phase == "failed" and stale and all(item.gate == gate for item in stale):
        _retry_changed(run, gate, stale)
        return None
    if stale:
        here.screen.stale(run, stale)
        return Exit.STALE
    if ends_here:
        here.screen.finished(run)
        return Exit.ADVANCED
    if run.machine.phase == "failed":
        here.screen.gate_ended(run, _standing_no(run, gate))
        return Exit.GATE_SAID_NO
    return _begin_gate(here, gate, config, experiment)


def _standing_no(run: Run, gate: str) -> GateReport:
    report = read_report(run.gate_folder(gate) / "report.json")
    if report is None:
        raise Refusal(
            f"gate_{gate}/report.json is missing, though the journal says that gate {gate.upper()} said no.",
            f"Restore it, or `{command(run.folder, 'retry')}` runs the gate again.",
        )
    return report


def _retry_changed(run: Run, gate: str, stale: list[Freshness]) -> None:
    """A gate that said no for other inputs runs again as a new attempt; the old one is kept."""
    run.record(EventType.GATE_RETRIED, gate, why=list(stale[0].reasons))
    archive_old_attempts(run)


def _begin_gate(here: Advance, gate: str, config: dict[str, Any], experiment: Experiment) -> int | None:
    """Reuse the gate from where it was computed before, or run it."""
    run = here.run
    present = gate_inputs(run, config, gate)
    passed_over: list[str] = []
    if not here.fresh and not requested_anew(run, gate):
        began_s = time.monotonic()
        versions = versions_of(find_backend(experiment.backend.name), domain_of_experiment(experiment))
        report, passed_over = reuse_gate(run, gate, present, Installation(PROJECT, versions))
        if report is not None:
            record_reuse(run, report, round(time.monotonic() - began_s, 2))
            here.screen.gate_reused(run, report)
            return _stopped_after(here, gate)
    return _run_gate(here, gate, config, experiment.watch, present, passed_over)


def _run_gate(
    here: Advance, gate: str, config: dict[str, Any], limits: WatchSection, present: Inputs, passed_over: list[str]
) -> int | None:
    run, screen = here.run, here.screen
    resumed = run.machine.phase != "ready"
    stored = read_inputs(run, gate)
    if resumed and stored is not None:
        difference = compare(gate, stored, present)
        if not difference.fresh:
            screen.stale(run, [difference])
            return Exit.STALE
    make_folder(run.gate_folder(gate))
    make_folder(log_path(run.folder, gate).parent)
    if not resumed:
        write_inputs(run, gate, present)
    left_word = run.gate_folder(gate) / "failure.json"
    with refusing(left_word):
        left_word.unlink(missing_ok=True)
    told = {"not_reused": passed_over} if passed_over else {}
    run.record(EventType.GATE_STARTED, gate, **_session(run, gate, resumed), **told)
    screen.gate_started(run, gate, resumed)
    if passed_over:
        screen.noticed(run, [f"not reused from {sentence}" for sentence in passed_over])
    ending = supervise(
        run,
        gate_work(run, gate),
        here.lock,
        here.stop,
        limits,
        lambda pulse: screen.pulse(gate, pulse),
        lambda pulse: screen.gate_stopping(run, gate, pulse),
    )
    return _settle(here, gate, config, ending)


def _session(run: Run, gate: str, resumed: bool) -> dict[str, Any]:
    """What a started event carries: when the attempt first began and the seconds spent before this session."""
    attempt = run.attempts[gate]
    earlier = [
        e
        for e in run.journal.events
        if e.type == EventType.GATE_STARTED and e.gate == gate and e.data["attempt"] == attempt
    ]
    if not resumed or not earlier:
        return {"attempt": attempt, "first_started_at": now(), "elapsed_before_s": 0.0}
    pulse = read_heartbeat(run.file("heartbeat.json"))
    last = pulse.elapsed_s if pulse is not None and pulse.gate == gate else 0.0
    before = earlier[-1].data
    return {
        "attempt": attempt,
        "first_started_at": before["first_started_at"],
        "elapsed_before_s": round(before["elapsed_before_s"] + last, 1),
    }


def _settle(here: Advance, gate: str, config: dict[str, Any], ending: Ending) -> int | None:
    """Record how a gate ended; a written report counts, however the worker ended afterwards."""
    run, stop, screen = here.run, here.stop, here.screen
    report = read_report(run.gate_folder(gate) / "report.json")
    if report is not None:
        record_report(run, report)
        screen.gate_ended(run, report)
        if report.status == "failed":
            return Exit.GATE_SAID_NO
        return _stopped_after(here, gate)
    left = read_failure(run.gate_folder(gate) / "failure.json")
    stopped = ending.returncode == Exit.STOPPED or (stop.number and left is None)
    if stopped and not ending.stall:
        lost = lost_work(run.folder, gate, ending.pulse) if stop.at_once else ""
        run.record(EventType.GATE_STOPPED, gate, signal=stop.number, **({"lost": lost} if lost else {}))
        screen.gate_stopped(run, gate, lost)
        return stop.exit_code if stop.number else Exit.STOPPED
    failure = _explained(run, gate, config, ending, left)
    run.record(
        EventType.GATE_CRASHED, gate, kind=failure.kind, sentence=failure.sentence, fix=failure.fix, where=failure.where
    )
    if restarted := _with_fewer_rows(run, config, failure):
        screen.noticed(run, [restarted])
        return None
    screen.gate_crashed(run, gate, failure)
    return failure.exit


def _with_fewer_rows(run: Run, config: dict[str, Any], failure: Failure) -> str:
    """Where a GPU was lost for memory, store half the rows for the next worker; return that in words, else ""."""
    before = config["model"]["batch_size"]
    rows = min(failure.rows, before if isinstance(before, int) else max(before)) // 2
    if rows < 1:
        return ""
    accept(run, propose(run, [f"model.batch_size={rows}"]))
    change = f"model.batch_size={rows} instead of {before}"
    return f"{failure.sentence}; a new process continues with {change}, and so does the rest of the run"


def _stopped_after(here: Advance, gate: str) -> int | None:
    """Return the exit code when the user requested a stop while ``gate`` concluded, None to continue."""
    if not here.stop.number or here.run.machine.state == FINISHED:
        return None
    here.screen.stopped_after(here.run, gate)
    return here.stop.exit_code


def _explained(run: Run, gate: str, config: dict[str, Any], ending: Ending, left: Failure | None) -> Failure:
    """Return why the gate did not finish, by its worker's report, else by its exit status; and what to do."""
    if ending.stall:
        fix = f"{log_path(run.folder, gate)} says where it was; if it was only slow, raise watch.stall_min_s."
        return Failure("stalled", f"{ending.stall}; it was ended", fix)
    failure = left or unspoken_failure(ending)
    if failure.kind == "memory" or (failure.kind == "killed" and ending.oom_kills.count is None):
        return replace(failure, fix=failure.fix or memory_advice(run.folder, config, gate))
    return failure


def _about(duration: Duration | None) -> str:
    return "" if duration is None else f", about {about(duration.seconds)}"


def store_plans(run: Run, context: PlanContext) -> None:
    """Write plans.json: one line per gate that has not passed, for status screens that must not load a gate."""
    first = len(GATES) if run.machine.state == FINISHED else GATES.index(run.machine.gate)
    durations = recorded_durations(context)
    lines = {gate: plans.plan(gate, context).summary + _about(durations.get(gate)) for gate in GATES[first:]}
    write_atomic(run.file("plans.json"), json.dumps({"schema_version": 1, **lines}, indent=2) + "\n")
