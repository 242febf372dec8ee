"""Advance a run: one gate after the other, each in a fresh worker process, until a gate says no or the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from env.files import make_folder, sha256_file, write_atomic
from env.heartbeat import Pulse, read_heartbeat
from env.locking import RunLock
from env.logs import log_path
from gates import gate_module
from gates.context import PlanContext
from gates.report import GateReport, read_report
from runner.config import read_config
from runner.exits import Exit
from runner.failure import Failure, read_failure
from runner.freshness import Freshness, compare, examine, gate_inputs, read_inputs, write_inputs
from runner.intactness import require_intact
from runner.journal import EventType, now
from runner.machine import FINISHED, GATES
from runner.places import PROJECT
from runner.run import Run, archive_old_attempts

# How often the supervisor looks at its worker; the heartbeat itself is written at most once a second.
POLL_S = 0.1


class Screen(Protocol):
    """What an advance tells while it runs (runner/screens.py draws it)."""

    def opened(self, run: Run) -> None: ...
    def gate_started(self, run: Run, gate: str, resumed: bool) -> None: ...
    def pulse(self, gate: str, pulse: Pulse) -> None: ...
    def gate_ended(self, run: Run, report: GateReport) -> None: ...
    def gate_crashed(self, run: Run, gate: str, failure: Failure) -> None: ...
    def gate_stopped(self, run: Run, gate: str) -> None: ...
    def stale(self, run: Run, found: list[Freshness]) -> None: ...
    def finished(self, run: Run) -> None: ...


class Stop:
    """Signals asking to stop: the first is passed to the worker as SIGINT, the second kills it (which is safe)."""

    def __init__(self) -> None:
        self.number = 0
        self.worker: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, _frame: Any) -> None:
        again, self.number = bool(self.number), number
        if self.worker is not None and self.worker.poll() is None:
            self.worker.send_signal(signal.SIGKILL if again else signal.SIGINT)

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells count."""
        return 128 + self.number

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP inside the block."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def advance(folder: Path, screen: Screen, to: str = "e") -> int:
    """Advance the run in ``folder`` up to and including gate ``to``; return the exit code.

    Raises:
        LockHeld: another process advances this run.
        Refusal: the run folder cannot be read or written, or a gate lacks what it needs.
    """
    stop = Stop()
    # whole, because the worker has another working folder
    with Run.held(folder.resolve()) as (run, lock), stop.installed():
        screen.opened(run)
        archive_old_attempts(run)
        heal(run)
        while True:
            code = _step(run, lock, stop, screen, to)
            if code is not None:
                return code


def heal(run: Run) -> None:
    """Record the end of a gate whose report was written but whose event was not (killed in between)."""
    gate = run.machine.gate
    if run.machine.phase not in ("started", "stopped", "crashed"):
        return
    report = read_report(run.gate_folder(gate) / "report.json")
    if report is not None and report.attempt == run.attempts[gate]:
        if run.machine.phase != "started":
            run.record(EventType.GATE_STARTED, gate, healed=True, **_session(run, gate, resumed=True))
        record_report(run, report)


def record_report(run: Run, report: GateReport) -> None:
    """Record a written report in the journal."""
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


def _step(run: Run, lock: RunLock, stop: Stop, screen: Screen, to: str) -> int | None:
    """Do one gate; return an exit code when the advance ends here, None to go on."""
    experiment, config = read_config(run.file("config.yaml"))
    store_plans(run, PlanContext(run.folder, experiment))
    gate = run.machine.gate
    ends_here = run.machine.state == FINISHED or GATES.index(gate) > GATES.index(to)
    if not ends_here and run.machine.phase != "failed":
        require_intact(run, gate)
    stale = [item for item in examine(run, config) if not item.fresh]
    if run.machine.phase == "failed" and _only(stale, gate):
        _retry_changed(run, gate, stale)
        return None
    if stale:
        screen.stale(run, stale)
        return Exit.STALE
    if ends_here:
        screen.finished(run)
        return Exit.ADVANCED
    if run.machine.phase == "failed":
        report = read_report(run.gate_folder(gate) / "report.json")
        if report is not None:
            screen.gate_ended(run, report)
        return Exit.GATE_SAID_NO
    return _run_gate(run, gate, config, lock, stop, screen)


def _only(stale: list[Freshness], gate: str) -> bool:
    return bool(stale) and all(item.gate == gate for item in stale)


def _retry_changed(run: Run, gate: str, stale: list[Freshness]) -> None:
    """A gate that said no about other inputs is asked again as a new attempt; the old one is kept."""
    run.record(EventType.GATE_RETRIED, gate, why=list(stale[0].reasons))
    archive_old_attempts(run)


def _run_gate(run: Run, gate: str, config: dict[str, Any], lock: RunLock, stop: Stop, screen: Screen) -> int | None:
    resumed = run.machine.phase != "ready"
    present = gate_inputs(run, config, gate)
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
    (run.gate_folder(gate) / "failure.json").unlink(missing_ok=True)
    run.record(EventType.GATE_STARTED, gate, **_session(run, gate, resumed))
    screen.gate_started(run, gate, resumed)
    returncode = _supervise(run, gate, lock, stop, screen)
    return _settle(run, gate, returncode, stop, screen)


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


def _supervise(run: Run, gate: str, lock: RunLock, stop: Stop, screen: Screen) -> int:
    """Start the worker, show its pulses, pass on the wish to stop; return its exit status."""
    with log_path(run.folder, gate).open("ab") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "runner.worker", str(run.folder), gate, str(lock.descriptor)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"},
            # Both hold the lock: it is free only when supervisor and worker are dead.
            pass_fds=(lock.descriptor,),
            # Ctrl-C in the terminal reaches the supervisor alone, which asks the worker once.
            start_new_session=True,
        )
    stop.worker = worker
    if stop.number:
        worker.send_signal(signal.SIGINT)
    last = read_heartbeat(run.file("heartbeat.json"))
    while worker.poll() is None:
        pulse = read_heartbeat(run.file("heartbeat.json"))
        if pulse is not None and pulse != last and pulse.pid == worker.pid:
            screen.pulse(gate, pulse)
            last = pulse
        time.sleep(POLL_S)
    return worker.returncode


def _settle(run: Run, gate: str, returncode: int, stop: Stop, screen: Screen) -> int | None:
    """Record how a gate ended; a report counts whatever became of the worker after writing it."""
    report = read_report(run.gate_folder(gate) / "report.json")
    if report is not None:
        record_report(run, report)
        screen.gate_ended(run, report)
        if report.status == "failed":
            return Exit.GATE_SAID_NO
        return stop.exit_code if stop.number else None
    left_word = run.gate_folder(gate) / "failure.json"
    if returncode == Exit.STOPPED or (stop.number and not left_word.exists()):
        run.record(EventType.GATE_STOPPED, gate, signal=stop.number)
        screen.gate_stopped(run, gate)
        return stop.exit_code if stop.number else Exit.STOPPED
    failure = read_failure(left_word, returncode)
    run.record(
        EventType.GATE_CRASHED, gate, kind=failure.kind, sentence=failure.sentence, fix=failure.fix, where=failure.where
    )
    screen.gate_crashed(run, gate, failure)
    return failure.exit


def store_plans(run: Run, context: PlanContext) -> None:
    """Write plans.json: one line per gate that has not passed, for status screens that must not load a gate."""
    first = len(GATES) if run.machine.state == FINISHED else GATES.index(run.machine.gate)
    plans = {gate: gate_module(gate).plan(context).summary for gate in GATES[first:]}
    write_atomic(run.file("plans.json"), json.dumps(plans, indent=2) + "\n")
