"""The worker: one process that runs one gate of one run and writes a report or the reason why there is none.

``python -m runner.advance.worker RUN_FOLDER GATE LOCK_DESCRIPTORS``: the supervisor starts it and passes its lock on.
Its standard input is a pipe that nobody writes to: when it ends, the supervisor is dead and the worker dies too.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from env.heartbeat import Heartbeat
from env.installed.opened_files import OpenedFiles
from env.logs import file_log, log_path
from env.refusal import Refusal
from env.reserve import spend_reserve
from env.space import DiskFull
from gates import GATES, gate_module
from gates.context import GateContext, Progress, StopRequested
from gates.measuring.bench import domain_of_experiment
from gates.report import write_report
from gates.versions import MEASURING_FOLDERS, versions_of
from runner.advance.failure import failure_of, write_failure
from runner.advance.trackers import Tracker, open_tracker
from runner.runs.config import read_config
from runner.runs.exit_codes import Exit
from runner.runs.folder import Run
from runner.runs.journal import EventType
from runner.runs.locations import PROJECT
from runner.validity.freshness import read_inputs
from training.backends import find_backend

log = logging.getLogger("luagate")


def die_with_the_supervisor() -> None:
    """Kill this process at the end of standard input: an orphan must not keep writing to a run it does not own."""

    def wait() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


class StopFlag:
    """Set by SIGINT, SIGTERM or SIGHUP; gates check it where everything done so far is stored.

    Where a gate stores no work of its own, nothing is gained by waiting: the signal itself stops it.
    """

    def __init__(self, gate: str) -> None:
        self.is_set = False
        self._waits = bool(GATES[gate].stores & {"samples", "checkpoints"})
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._set)

    def _set(self, number: int, _frame: Any) -> None:
        log.info("stop requested by %s", signal.Signals(number).name)
        self.is_set = True
        if not self._waits:
            raise StopRequested


def gate_context(run: Run, gate: str, stop: StopFlag, heartbeat: Heartbeat, tracker: Tracker) -> GateContext:
    """Return the gate's context. Its started event and inputs.json were written by the supervisor."""
    experiment, _ = read_config(run.file("config.yaml"))
    started = [e for e in run.journal.events if e.type == EventType.GATE_STARTED and e.gate == gate][-1]
    inputs = read_inputs(run, gate)
    if inputs is None:
        raise RuntimeError(f"gate {gate} has no inputs.json")

    def on_progress(progress: Progress) -> None:
        # a failed pulse must not end a gate: on a full disk the next result that cannot be stored does
        with suppress(Refusal):
            heartbeat.beat(
                progress.phase,
                progress.done,
                progress.total,
                progress.unit,
                progress.message,
                progress.tokens,
            )

    return GateContext(
        run_dir=run.folder,
        experiment=experiment,
        gate=gate,
        attempt=run.attempts[gate],
        started_at=started.data.get("first_started_at", started.at),
        elapsed_before_s=float(started.data.get("elapsed_before_s", 0.0)),
        inputs=inputs.digests,
        on_progress=on_progress,
        should_stop=lambda: stop.is_set,
        log=log,
        on_step=tracker.step,
        versions=versions_of(find_backend(experiment.backend.name), domain_of_experiment(experiment)),
    )


def tracker_of(run: Run, gate: str) -> Tracker:
    """Return the tracker set in the run's configuration."""
    experiment, config = read_config(run.file("config.yaml"))
    return open_tracker(experiment.tracker, run.folder, gate, run.attempts[gate], config, log)


def run_gate(folder: Path, gate: str, stop: StopFlag) -> Exit:
    """Run ``gate`` and write its report, last; return ADVANCED when there is a report, STOPPED after a stop request."""
    opened = OpenedFiles(PROJECT, MEASURING_FOLDERS, folder / f"gate_{gate}" / "opened_files.jsonl")
    opened.watch()
    run = Run.open(folder)
    heartbeat = Heartbeat(run.file("heartbeat.json"), gate)
    tracker = tracker_of(run, gate)
    context = gate_context(run, gate, stop, heartbeat, tracker)
    log.info("gate %s, attempt %d starts", gate.upper(), context.attempt)
    context.on_progress(Progress("starting", 0, 0, ""))
    try:
        with heartbeat.kept_alive():
            report = gate_module(gate).run(context)
    except StopRequested:
        tracker.close()
        log.info("stopped; everything done so far is stored")
        return Exit.STOPPED
    report = report.model_copy(update={"checks": [*report.checks, *tracker.checks], "source_files": opened.digests()})
    write_report(context.folder / "report.json", report)
    tracker.report(report)
    tracker.close()
    log.info("gate %s: %s: %s", gate.upper(), report.status, report.headline)
    return Exit.ADVANCED


def main(argv: list[str]) -> int:
    """Run the worker. Every error is written to failure.json and the gate's log, never to a screen."""
    # first: a stop signal before this line ends the process, which is a stop too
    folder, gate = Path(argv[0]), argv[1]
    stop = StopFlag(gate)
    # Shared with the supervisor alone: a process that outlives this one must not keep the run locked.
    for lock in argv[2].split(","):
        os.set_inheritable(int(lock), False)
    die_with_the_supervisor()
    # A supervisor that ends a stall first has every thread's stack written to the log.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    try:
        with file_log(log_path(folder, gate)):
            return run_gate(folder, gate, stop)
    except StopRequested:
        return Exit.STOPPED
    except BaseException as error:
        failure = failure_of(error, PROJECT)
        if isinstance(error, DiskFull):
            spend_reserve(folder)
        # where nothing can be written, the supervisor fails on the same disk and reports it
        with suppress(Refusal):
            write_failure(folder / f"gate_{gate}" / "failure.json", failure)
        return failure.exit


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
