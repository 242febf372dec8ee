"""A correction from the outside: what must hold before it begins, its worker, and how that ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from env.files import make_folder, refusing, remove_leftovers
from env.heartbeat import Pulse
from env.refusal import Refusal
from gates import GATES
from gates.correcting.request import Request, folder_of, require_allowed
from runner.advance.failure import Failure, read_failure, unspoken_failure
from runner.advance.supervisor import Stop, Work, supervise
from runner.runs.config import read_config
from runner.runs.exit_codes import Exit
from runner.runs.folder import Run
from runner.validity.freshness import Freshness
from runner.validity.intactness import explain

LOG = "repair.log"


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its report's path where there is one, else the exit code with the failure, if it was one."""

    report: Path | None
    code: int = Exit.ADVANCED
    failure: Failure | None = None


def stale_or_damaged(folder: Path, gate: str) -> list[Freshness]:
    """Return the gates that ``gate``'s answers rest on, itself too, whose results are stale or whose files changed."""
    run = Run.open(folder)
    concerned = {gate, *GATES[gate].needs}
    found = explain(run, read_config(run.file("config.yaml"))[1])
    return [item for item in found if item.gate in concerned and (item.damage or not item.fresh)]


def repair(folder: Path, request: Request, show: Callable[[Pulse], None]) -> Ended:
    """Correct the answers of a gate in a worker process, from where an earlier one stopped; its pulses are shown.

    Raises:
        LockHeld: another process holds the run.
        Refusal: the request is not allowed, or the worker refused, with the worker's own words.
    """
    require_allowed(request)
    stop = Stop()
    with Run.held(folder.resolve()) as (run, lock), stop.installed():
        own = run.file("repair")
        for place in (own, run.file("logs")):
            make_folder(place)
        left = own / "failure.json"
        with refusing(left):
            left.unlink(missing_ok=True)
        to = folder_of(run.folder, request, run.attempts[request.gate])
        for place in (own, *([to] if to.is_dir() else [])):
            remove_leftovers(place)
        work = Work(
            "runner.repairing.worker",
            (str(run.folder), json.dumps(asdict(request))),
            run.file("logs") / LOG,
            own / "heartbeat.json",
        )
        experiment, _ = read_config(run.file("config.yaml"))
        ending = supervise(run, work, lock, stop, experiment.watch, show, lambda _pulse: None)
        failure = read_failure(left)
    if ending.returncode == Exit.ADVANCED:
        return Ended(to / "report.json")
    if ending.returncode == Exit.STOPPED or (stop.number and failure is None):
        return Ended(None, stop.exit_code if stop.number else Exit.STOPPED)
    if failure is not None and failure.kind == "refusal":
        if not any(to.glob("turn_*")):
            # refused before anything was asked: nothing is left behind
            with suppress(OSError):
                (to / "request.json").unlink(missing_ok=True)
                to.rmdir()
        raise Refusal(failure.sentence, failure.fix)
    told = failure or unspoken_failure(ending)
    if ending.stall:
        told = Failure("stalled", f"{ending.stall}; it was ended", "If it was only slow, raise watch.stall_min_s.")
    return Ended(None, told.exit, told)
