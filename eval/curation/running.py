"""A curation from its recipe to its files: each stage runs once for the same inputs, settings and code.

Killed anywhere, it continues from the last finished stage, and of the programs from the last written chunk; the files
are those of an undisturbed one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from env.files import digest, make_folder, remove_leftovers, write_atomic
from env.locking import RunLock
from env.refusal import Refusal
from env.silence import turn_to
from eval.curation import STAGES, Stage
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.curation.stored_stages import DROPPED, ROWS, Manifest, StageFolder
from eval.curation.surroundings import RunsStage, Surroundings, code_of
from eval.domains import Domain, domain_named
from eval.pipeline.verifier import VerifierSettings

STAGES_FOLDER, SUMMARY, LOCK = "stages", "curation.json", "curation.lock"


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A stage of a curation: its manifest (None: not run yet), its folder, and whether it was reused."""

    stage: Stage
    folder: StageFolder | None
    manifest: Manifest | None
    reused: bool


@dataclass(frozen=True, slots=True)
class Curation:
    """A finished curation: its stages in order, and where the files are."""

    out: Path
    outcomes: tuple[StageOutcome, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A curation ready to run: the frozen recipe, how programs are executed, and where it goes."""

    recipe: Recipe
    verifier: VerifierSettings | None
    out: Path

    @property
    def domain(self) -> Domain:
        """What its programs are for."""
        return domain_named(self.recipe.domain)


def preview(planned: Planned) -> tuple[StageOutcome, ...]:
    """Return what ``curate`` would reuse and what it would run; nothing is written."""
    return tuple(_walk(planned, lambda *_: None))


def curate(planned: Planned) -> Curation:
    """Run what is not stored yet, and write the curation's files.

    Raises:
        Refusal: a source cannot be read, nothing is left of the rows, or a file cannot be written.
        LockHeld: another process curates into this folder.
    """
    make_folder(planned.out)
    with RunLock(planned.out / LOCK):
        remove_leftovers(planned.out)
        outcomes = tuple(_walk(planned, _run))
        _publish(planned.out, outcomes)
    return Curation(planned.out, outcomes)


_Runs = Callable[[Stage, RunsStage, Planned, StageFolder, tuple[CuratedRow, ...]], Manifest | None]


def _walk(planned: Planned, run: _Runs) -> Iterator[StageOutcome]:
    """Yield the stages in order. What follows on a stage that did not run is not known: it has no folder."""
    inputs: str | None = ""
    before: StageFolder | None = None
    for number, stage in enumerate(STAGES, start=1):
        if inputs is None:
            yield StageOutcome(stage, None, None, False)
            continue
        turn_to(stage.title)
        module: RunsStage = import_module(stage.module)  # type: ignore[assignment]
        folder = _folder_of(stage, number, module, planned, inputs)
        manifest = folder.manifest()
        reused = manifest is not None
        if manifest is None:
            manifest = run(stage, module, planned, folder, before.rows() if before is not None else ())
        yield StageOutcome(stage, folder, manifest, reused)
        inputs, before = (manifest.digests[ROWS] if manifest is not None else None), folder


def _folder_of(stage: Stage, number: int, module: RunsStage, planned: Planned, inputs: str) -> StageFolder:
    stages = planned.out / STAGES_FOLDER
    around = Surroundings(planned.domain, planned.verifier, stages)
    depends = module.depends(planned.recipe, around)
    address = digest({"stage": stage.name, "inputs": inputs, "depends": depends, "code": code_of(stage.module)})
    return StageFolder(stages, number, stage.name, address)


def _run(
    stage: Stage, module: RunsStage, planned: Planned, folder: StageFolder, rows: tuple[CuratedRow, ...]
) -> Manifest:
    around = Surroundings(planned.domain, planned.verifier, folder.prepare())
    result = module.run(rows, planned.recipe, around)
    if not result.rows:
        raise Refusal(_nothing_left(stage, len(rows), result), "Change the recipe, or give more rows.")
    return folder.store(result, len(rows))


def _nothing_left(stage: Stage, rows_in: int, result: StageResult) -> str:
    reasons: dict[str, int] = {}
    for dropped in result.dropped:
        reasons[dropped.reason] = reasons.get(dropped.reason, 0) + 1
    told = "; ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
    came = f" of {rows_in}" if rows_in else ""
    return f"{stage.name}: no row{came} is left" + (f": {told}." if told else ".")


def _publish(out: Path, outcomes: Sequence[StageOutcome]) -> None:
    """Put the finished files where a user looks for them; the summary last."""
    last = outcomes[-1]
    assert last.folder is not None
    assert last.manifest is not None
    names = [name for name in last.manifest.digests if name not in (ROWS, DROPPED)]
    for name in names:
        _write_changed(out / name, (last.folder.path / name).read_bytes())
    _write_changed(out / SUMMARY, (json.dumps(summary(outcomes), indent=2, ensure_ascii=False) + "\n").encode())


def _write_changed(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)


def summary(outcomes: Sequence[StageOutcome]) -> dict[str, Any]:
    """Return a curation as plain data: its stages with counts in and out, reasons and facts."""
    return {"stages": [_stage_data(one) for one in outcomes]}


def _stage_data(one: StageOutcome) -> dict[str, Any]:
    if one.manifest is None or one.folder is None:
        return {"stage": one.stage.name, "state": "to do"}
    return {**asdict(one.manifest), "folder": one.folder.path.name}
