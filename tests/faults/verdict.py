"""Whether an advance that was struck ended as it must: exit code, words, event."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.faults.comparison import journal
from tests.faults.plan import Injection, Kind

_ENDED = (0, 3)


def faults_of(injection: Injection, code: int, output: str, status: str, folder: Path) -> Iterator[str]:
    """Yield a sentence for everything that was wrong with how the struck ``advance --to GATE`` ended."""
    last = journal(folder)[-1]["type"]
    concluded = code in _ENDED and last in ("gate_passed", "gate_failed")
    # a signal that arrives while the interpreter starts ends it before it can catch anything
    if "Traceback" in output and code != -injection.signal:
        yield f"{injection}: a traceback on the screen:\n{output[-1500:]}"
    if injection.kind in (Kind.FILL_DISK, Kind.MAKE_READ_ONLY):
        yield from _disk_faults(injection, code, output, status, concluded)
    elif injection.kind is Kind.STOP:
        yield from _stop_faults(injection, code, output, last)
    elif injection.kind is Kind.KILL_WORKER:
        if not concluded and not (code == 1 and last == "gate_crashed" and "SIGKILL" in output):
            yield f"{injection}: exit {code}, last event {last}: {output[-500:]}"
    elif code != -9 and not concluded:
        yield f"{injection}: exit {code}: {output[-500:]}"


def _disk_faults(injection: Injection, code: int, output: str, status: str, concluded: bool) -> Iterator[str]:
    """A write that the run can do without may fail unseen; every other is a refusal that names place and need."""
    if concluded:
        return
    words = ("no space left", "free", "needed") if injection.kind is Kind.FILL_DISK else ("read-only",)
    text = " ".join(output.split())
    missing = [word for word in words if word not in text]
    if code != 2 or missing:
        yield f"{injection}: exit {code}, missing {missing}: {output[-1500:]}"
    # what stopped the supervisor itself, before a gate began, stood on its screen and changed nothing
    recorded = injection.kind is Kind.FILL_DISK and injection.point is not None and injection.point.process == "worker"
    if recorded and words[0] not in " ".join(status.split()):
        yield f"{injection}: the status does not say so: {status[-1500:]}"


def _stop_faults(injection: Injection, code: int, output: str, last: str) -> Iterator[str]:
    if code in _ENDED and last in ("gate_passed", "gate_failed"):
        return
    if code not in (128 + injection.signal, -injection.signal):
        yield f"{injection}: exit {code}: {output[-1000:]}"
    elif last == "gate_started" or (last == "gate_stopped" and "runner advance" not in output):
        yield f"{injection}: last event {last}: {output[-1000:]}"
