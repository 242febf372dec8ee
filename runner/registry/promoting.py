"""Promote an adapter to ``latest``, or go back to an earlier one: export, ledger, link, in this order under a lock.

The ledger decides what ``latest`` is; the link follows it. A kill before the entry leaves at most an export that
nothing refers to; a kill between entry and link leaves a link that the next promotion, or `registry --repair`,
puts right.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from env.files import make_folder, move
from env.locking import RunLock
from env.refusal import Refusal
from gates.report.results import DecisionResults
from runner.registry.ledger import Entry, Registry
from runner.registry.rule import Asked, PromotionRule, ask, refused
from runner.registry.stock import damage, export_name, point
from runner.release.export import export_cell
from runner.runs.config import read_older_config
from runner.runs.folder import Run, find_run
from runner.views.artifacts import Artifacts, read_artifacts
from runner.views.folder_facts import is_smoke


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of asking: the answers, and the entry where it was written; None where the rule said no.

    Attributes:
        is_new: whether an entry was added; False where the same export is ``latest`` already.
    """

    answers: tuple[Asked, ...]
    entry: Entry | None
    is_new: bool = False


def promote(results: Path, run: Path, form: str, rule: PromotionRule, reason: str) -> Promotion:
    """Make the chosen adapter of a run ``latest``, where the rule allows it.

    Args:
        form: "adapter" or "merged".
        reason: waives what may be waived, and stands in the entry.

    Raises:
        LockHeld: another promotion or rollback is at work.
        Refusal: the run is a smoke test, or its export fails.
    """
    registry = Registry.of(results)
    if is_smoke(run):
        raise Refusal(f"{run.name} is a smoke test: it is too small to decide anything.", "Promote a run of size=full.")
    with RunLock(registry.lock):
        entries = registry.entries()
        found = read_artifacts(Run.open(run))
        answers = ask(found, _present(results, entries, found), rule, reason)
        if refused(answers):
            return Promotion(answers, None)
        export = _export(registry, run, form)
        if entries and entries[-1].export == export.name:
            point(registry.link, export)
            return Promotion(answers, entries[-1])
        decided = found.results(DecisionResults)
        assert decided is not None, "the rule asked for a decision"
        entry = Entry(
            number=len(entries) + 1,
            at=_now(),
            kind="promote",
            export=export.name,
            run=run.name,
            cell=decided.chosen.cell,
            headline=decided.decision.headline,
            checks=tuple((one.name, one.answer, one.found) for one in answers),
            rule={**asdict(rule), "digest": rule.digest},
            reason=reason,
            replaced=entries[-1].export if entries else "",
        )
        registry.append(entry)
        point(registry.link, export)
        return Promotion(answers, entry, is_new=True)


def _present(results: Path, entries: Sequence[Entry], new: Artifacts) -> Artifacts | None:
    """Return the artifacts of the run behind ``latest``; None where there is none, or where it is the new one itself.

    Raises:
        Refusal: that run is gone: nothing can be compared with it.
    """
    if not entries or entries[-1].run == new.run.id:
        return None
    folder = results / entries[-1].run
    if not folder.is_dir() or find_run(results, entries[-1].run) is None:
        raise Refusal(
            f"The run behind latest, {entries[-1].run}, is no longer in {results}: nothing can be compared with it.",
            "Bring its folder back, or begin another registry in another results folder.",
        )
    return read_artifacts(Run.open(folder))


def _export(registry: Registry, run: Path, form: str) -> Path:
    """Export the run's chosen cell and return its folder in the registry: of equal bytes there is one folder."""
    make_folder(registry.exports)
    for left in registry.exports.glob(".*.incoming"):
        shutil.rmtree(left, ignore_errors=True)
    incoming = registry.exports / f".{run.name}.{os.getpid()}.incoming"
    experiment = read_older_config(run / "config.yaml")
    origin, _ = export_cell(run, experiment, "", form, incoming, False)  # type: ignore[arg-type]
    target = registry.exports / export_name(run.name, origin.cell.name, incoming)
    if target.exists():
        shutil.rmtree(incoming)
        _require_whole(target)
    else:
        move(incoming, target)
    return target


def roll_back(results: Path, number: int, reason: str) -> Entry:
    """Make the export of an earlier entry ``latest`` again, once its bytes are proven to be those that were exported.

    Args:
        number: of the entry; 0 is the one that was ``latest`` before the present one.

    Raises:
        LockHeld: another promotion or rollback is at work.
        Refusal: there is no such entry, it is ``latest`` already, or its bytes are damaged.
    """
    registry = Registry.of(results)
    with RunLock(registry.lock):
        entries = registry.entries()
        target = _target(entries, number)
        export = registry.exports / target.export
        _require_whole(export)
        entry = Entry(
            number=len(entries) + 1,
            at=_now(),
            kind="rollback",
            export=target.export,
            run=target.run,
            cell=target.cell,
            headline=target.headline,
            checks=(("the export has its bytes", "yes", f"compared with entry {target.number}"),),
            rule={},
            reason=reason,
            replaced=entries[-1].export,
        )
        registry.append(entry)
        point(registry.link, export)
        return entry


def _target(entries: Sequence[Entry], number: int) -> Entry:
    if not entries:
        raise Refusal("Nothing was promoted yet.", "`python -m runner promote` does it.")
    present = entries[-1].export
    if number:
        if not 1 <= number <= len(entries):
            raise Refusal(
                f"There is no entry {number}.", f"Entries: 1 to {len(entries)}, as `python -m runner history` shows."
            )
        if entries[number - 1].export == present:
            raise Refusal(f"Entry {number} is what latest is already.", "Name another: see `python -m runner history`.")
        return entries[number - 1]
    earlier = next((entry for entry in reversed(entries) if entry.export != present), None)
    if earlier is None:
        raise Refusal("There is nothing to go back to: one export has been latest.", "Promote another run first.")
    return earlier


def _require_whole(export: Path) -> None:
    if wrong := damage(export):
        raise Refusal(f"{export.name} is damaged: {wrong}.", f"Restore {export}, or choose another entry.")


@dataclass(frozen=True, slots=True)
class Stock:
    """What a registry holds: its entries, what is wrong with each export ("" nothing), and with the link."""

    entries: tuple[Entry, ...]
    exports: dict[str, str]
    link_problem: str


def look(results: Path, is_repairing: bool = False) -> Stock:
    """Return what the registry holds, every export compared byte by byte.

    Args:
        is_repairing: put the link right where it does not follow the ledger.

    Raises:
        LockHeld: it should be repaired while a promotion or rollback is at work.
    """
    registry = Registry.of(results)
    entries = registry.entries()
    exports = {name: damage(registry.exports / name) for name in dict.fromkeys(entry.export for entry in entries)}
    problem = _link_problem(registry, entries)
    if problem and is_repairing:
        with RunLock(registry.lock):
            _require_whole(registry.exports / entries[-1].export)
            point(registry.link, registry.exports / entries[-1].export)
        problem = ""
    return Stock(entries, exports, problem)


def _link_problem(registry: Registry, entries: Sequence[Entry]) -> str:
    if not entries:
        return ""
    leads = Path(os.readlink(registry.link)).name if registry.link.is_symlink() else ""
    if leads == entries[-1].export:
        return ""
    return f"the link latest leads to {leads or 'nothing'}, and the ledger says {entries[-1].export}"


def latest_export(results: Path) -> Path:
    """Return the export that the ledger says is latest, its bytes proven.

    Raises:
        Refusal: nothing was promoted, or its bytes are damaged.
    """
    registry = Registry.of(results)
    entries = registry.entries()
    if not entries:
        raise Refusal("Nothing was promoted yet.", "`python -m runner promote` makes a run's adapter latest.")
    export = registry.exports / entries[-1].export
    _require_whole(export)
    return export


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
