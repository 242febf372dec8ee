"""The worker of a correction: one process that loads the model, asks again, and writes a report or why there is none.

``python -m runner.repairing.worker RUN_FOLDER REQUEST LOCK_DESCRIPTORS``: runner/repairing/command.py starts it with a
request as JSON. As for a gate, the end of its standard input means that its supervisor is dead, and it dies too.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from env.heartbeat import Heartbeat
from env.logs import file_log
from env.refusal import Refusal
from env.reserve import spend_reserve
from env.space import DiskFull
from gates.context import GateContext, Progress, StopRequested
from gates.correcting.correct import correct
from gates.correcting.request import Request
from runner.advance.failure import failure_of, write_failure
from runner.advance.worker import die_with_the_supervisor
from runner.runs.config import read_config
from runner.runs.exit_codes import Exit
from runner.runs.folder import Run
from runner.runs.journal import now
from runner.runs.locations import PROJECT
from runner.views.marks import read_weights

log = logging.getLogger("luagate")


class StopFlag:
    """Set by a stop signal; looked at between decoding steps, where everything that has ended is stored."""

    def __init__(self) -> None:
        self.is_set = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._set)

    def _set(self, number: int, _frame: Any) -> None:
        log.info("stop requested by %s", signal.Signals(number).name)
        self.is_set = True


def context_of(run: Run, gate: str, heartbeat: Heartbeat, stop: StopFlag) -> GateContext:
    """Return what a gate of this run would be given: a correction measures by the same parts."""
    experiment, _ = read_config(run.file("config.yaml"))

    def on_progress(progress: Progress) -> None:
        with suppress(Refusal):
            heartbeat.beat(
                progress.phase, progress.done, progress.total, progress.unit, progress.message, progress.tokens
            )

    return GateContext(
        run_dir=run.folder,
        experiment=experiment,
        gate=gate,
        attempt=run.attempts[gate],
        started_at=now(),
        elapsed_before_s=0.0,
        inputs={},
        on_progress=on_progress,
        should_stop=lambda: stop.is_set,
        log=log,
    )


def work(folder: Path, request: Request, stop: StopFlag) -> Exit:
    """Correct what is left to correct; return ADVANCED when the report is written, STOPPED after a stop request."""
    run = Run.open(folder)
    heartbeat = Heartbeat(folder / "repair" / "heartbeat.json", request.gate)
    context = context_of(run, request.gate, heartbeat, stop)
    try:
        with heartbeat.kept_alive():
            correct(context, request, asdict(read_weights()))
    except StopRequested:
        log.info("stopped; everything done so far is stored")
        return Exit.STOPPED
    return Exit.ADVANCED


def main(argv: list[str]) -> int:
    """Run the worker. Every error is written to repair/failure.json and the log, never to a screen."""
    folder, request = Path(argv[0]), Request(**json.loads(argv[1]))
    stop = StopFlag()
    for lock in argv[2].split(","):
        os.set_inheritable(int(lock), False)
    die_with_the_supervisor()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    try:
        with file_log(folder / "logs" / "repair.log"):
            return work(folder, request, stop)
    except BaseException as error:
        failure = failure_of(error, PROJECT)
        if isinstance(error, DiskFull):
            spend_reserve(folder)
        with suppress(Refusal):
            write_failure(folder / "repair" / "failure.json", failure)
        return failure.exit


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
