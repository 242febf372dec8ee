"""Reusing a gate that a run finished with the same inputs, instead of computing it again.

Nothing is trusted but bytes: the source's journal must say that the gate passed, its report must be the one the journal
knows, the report must be of these inputs, this code, this base and this verifier, and every artifact must still be what
the report says, after it was linked or copied here. A kill at any instant leaves the gate not started or completely
reused.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import gates
from env.files import make_folder, sha256_file, sync_folder, write_refusal
from env.refusal import Refusal
from env.wording.listing import more_text
from gates.report import GateReport, Reused, read_report, write_report
from runner.runs.folder import Run, run_folders
from runner.runs.journal import Event, EventType
from runner.runs.state_machine import GATES
from runner.validity.equivalence import Installation, difference
from runner.validity.freshness import Inputs, parse_inputs, write_inputs

PASSED = (EventType.GATE_PASSED, EventType.GATE_REUSED)
# What is appended to line by line: a link would let one run write into another.
_APPENDED = ".jsonl"
# Candidates that were passed over are named up to so many.
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A folder whose gate had the wanted inputs: of which attempt of which run."""

    run_folder: Path
    folder: Path
    attempt: int


class Unfit(Exception):
    """A gate of the same inputs that cannot be reused; says why. ``finished``: whether it had passed at all."""

    def __init__(self, why: str, finished: bool = True) -> None:
        super().__init__(why)
        self.finished = finished


def reuse_gate(run: Run, gate: str, present: Inputs, here: Installation) -> tuple[GateReport | None, list[str]]:
    """Put another run's finished ``gate`` of the ``present`` inputs into place, without its event.

    The run's own earlier attempts count as well. The caller holds the run's lock and records the event.

    Args:
        here: what would compute the gate otherwise.

    Returns:
        the report (None: nothing fits), and why each finished gate with the same inputs was not reused.

    Raises:
        Refusal: this run's disk is full, read-only or closed to us.
    """
    passed_over: list[str] = []
    if not gates.GATES[gate].reusable or run.machine.phase != "ready" or run.gate_folder(gate).exists():
        return None, passed_over
    for found in equal_gates(run, gate, present):
        try:
            source = verified_source(run, gate, present, here, found)
            return _put_in_place(run, gate, present, found, source), passed_over
        except Unfit as unfit:
            if unfit.finished:
                passed_over.append(f"{found.folder.relative_to(run.folder.parent).as_posix()}: {unfit}")
    more = more_text(len(passed_over) - _TOLD, "finished gates of the same inputs")
    return None, passed_over[:_TOLD] + ([more] if more else [])


def requested_anew(run: Run, gate: str) -> bool:
    """Whether the user wants this attempt computed: a run created with --fresh, or a gate rewound without a change."""
    if run.journal.events[0].data.get("fresh"):
        return True
    begun = [e for e in run.journal.events if _begins_attempt(e, gate)]
    return bool(begun) and begun[-1].gate == gate and bool(begun[-1].data.get("anew"))


def equal_gates(run: Run, gate: str, present: Inputs) -> Iterator[Found]:
    """Yield gate folders with the ``present`` inputs: this run's earlier attempts, then other runs', newest first."""
    others = [folder for folder in run_folders(run.folder.parent) if folder != run.folder]
    for run_folder in (run.folder, *reversed(others)):
        for folder in (run_folder / f"gate_{gate}", *sorted(run_folder.glob(f"attempts/gate_{gate}.*"), reverse=True)):
            try:
                raw = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
                digests, attempt = parse_inputs(raw).digests, int(raw["attempt"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if digests == present.digests:
                yield Found(run_folder, folder, attempt)


def verified_source(run: Run, gate: str, present: Inputs, here: Installation, found: Found) -> GateReport:
    """Return the source's report once journal, code, versions, base and verifier agree. Raises Unfit otherwise."""
    try:
        source = Run.open(found.run_folder)
        report = read_report(found.folder / "report.json")
        sha256 = "" if report is None else sha256_file(found.folder / "report.json")
    except Refusal as refusal:
        raise Unfit(refusal.sentence) from None
    event = _conclusion(source, gate, found.attempt)
    if event is None or event.type not in PASSED:
        raise Unfit("it has not passed", finished=False)
    if report is None or event.data.get("report_sha256") != sha256:
        raise Unfit("its report.json is not the one that its journal knows")
    if report.inputs != present.digests:
        raise Unfit("its report is of other inputs than its inputs.json")
    if why := difference(report, read_report(run.gate_folder("a") / "report.json"), here):
        raise Unfit(why)
    return report


def _begins_attempt(event: Event, gate: str) -> bool:
    if event.type == EventType.GATE_RETRIED:
        return event.gate == gate
    return event.type == EventType.GATE_REWOUND and GATES.index(event.gate) <= GATES.index(gate)


def _conclusion(source: Run, gate: str, attempt: int) -> Event | None:
    ended = [
        e
        for e in source.journal.events
        if e.gate == gate and e.type in (*PASSED, EventType.GATE_FAILED) and e.data.get("attempt") == attempt
    ]
    return ended[-1] if ended else None


def _put_in_place(run: Run, gate: str, present: Inputs, found: Found, source: GateReport) -> GateReport:
    """Fill a hidden folder and rename it into place: the gate is whole, or not there."""
    stage = stage_folder(run, gate)
    shutil.rmtree(stage, ignore_errors=True)
    make_folder(stage)
    try:
        _bring_artifacts(source, found.folder, stage)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    origin = source.reused_from or Reused(
        run=found.run_folder.name, attempt=found.attempt, report_sha256=sha256_file(found.folder / "report.json")
    )
    mine = {"attempt": run.attempts[gate], "reused_from": origin}
    report = source.model_copy(update=mine)
    write_inputs(run, gate, present, stage)
    write_report(stage / "report.json", report)
    for folder in (path for path in stage.rglob("*") if path.is_dir()):
        sync_folder(folder)
    os.rename(stage, run.gate_folder(gate))
    sync_folder(run.folder)
    return report


def _bring_artifacts(source: GateReport, folder: Path, stage: Path) -> None:
    """Bring every artifact into ``stage`` and verify it there. Raises Unfit, or Refusal when our disk takes no more."""
    for record in source.artifacts:
        name = PurePosixPath(record.path)
        if name.parts[0] != f"gate_{source.gate}" or ".." in name.parts:
            raise Unfit(f"its artifact {record.path} is outside its folder")
        inside = PurePosixPath(*name.parts[1:])
        try:
            _bring(folder / inside, stage / inside)
            same = sha256_file(stage / inside) == record.sha256
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise write_refusal(error, stage / inside, record.bytes) from error
            raise Unfit(f"{record.path} could not be copied: {error.strerror}") from None
        except Refusal as refusal:
            raise Unfit(refusal.sentence) from None
        if not same:
            raise Unfit(f"{record.path} is not the file that its report names")


def _bring(source: Path, target: Path) -> None:
    """Link ``source``, or copy it where it is one that is appended to, or where links cannot be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != _APPENDED:
        try:
            os.link(source, target, follow_symlinks=False)
            return
        except FileNotFoundError:
            raise
        except OSError:
            pass
    shutil.copyfile(source, target)
    with target.open("rb+") as stream:
        os.fsync(stream.fileno())


def stage_folder(run: Run, gate: str) -> Path:
    """Return the hidden folder in which a reused gate is put together."""
    return run.folder / f".gate_{gate}.taking"


def remove_stages(run: Run) -> None:
    """Remove what a killed reuse left half-made."""
    for gate in GATES:
        shutil.rmtree(stage_folder(run, gate), ignore_errors=True)


def record_reuse(run: Run, report: GateReport, seconds: float) -> None:
    """Record a gate that was reused; ``seconds`` is what that took, its report says what computing it took."""
    assert report.reused_from is not None
    run.record(
        EventType.GATE_REUSED,
        report.gate,
        headline=report.headline,
        seconds=seconds,
        attempt=report.attempt,
        report_sha256=sha256_file(run.gate_folder(report.gate) / "report.json"),
        source=report.reused_from.model_dump(),
        computed_at=report.finished_at,
        computed_seconds=report.seconds,
    )
