"""A run's two files as a dataset: the items of one are its tasks, the rows of the other are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from env.files import digest
from env.refusal import Refusal, choices_hint
from eval.datasets.files.folders import content_of
from eval.datasets.formats.rows import read_source
from eval.datasets.formats.rules import AS_THEY_ARE, RowRules
from eval.datasets.formats.system_turns import File, settle
from eval.datasets.public_tasks import Wanted, build_tasks
from eval.domains import Domain
from eval.overlap.contamination import Status, survey
from eval.records import Dataset, Remark, Row, Task

# a change in how items become tasks must change the dataset's digest
_READER_VERSION = 4


def read_public(eval_path: Path, train_path: Path, wanted: Wanted, n_train: int, domain: Domain) -> Dataset:
    """Return the items of ``eval_path`` as tasks and those of ``train_path`` (``n_train`` of them; 0: all) as rows.

    The same files and numbers give the same dataset. ``notes`` say which items have a reference that cannot pass, and
    how the tasks were split; ``remarks`` what was left out.

    Raises:
        Refusal: a file is missing, empty or has broken rows, no item gives a task, or a source is waived in vain.
    """
    # an item is one question, in whatever layout its file has
    asked = replace(AS_THEY_ARE, family=wanted.rules.family)
    items = read_source(eval_path, domain, wanted.waived, asked)
    trained = read_source(train_path, domain, wanted.waived, wanted.rules)
    require_known(wanted.waived, trained.unlicensed)
    settled = settle(File(eval_path, items.rows), File(train_path, trained.rows), wanted.system_turns)
    built = build_tasks(settled.items, wanted, eval_path.name, domain)
    if not built.tasks:
        why = f" {built.remarks[0].value}." if built.remarks else ""
        raise Refusal(f"{eval_path}: no item can be checked by execution.{why}", "Give items that show something.")
    content = {
        "reader": _READER_VERSION,
        "seed": wanted.seed,
        "eval": content_of(eval_path),
        "train": content_of(train_path),
        "sizes": [wanted.dev_tasks, wanted.test_tasks, n_train],
        "mod": wanted.mod_name,
        **({"waived": wanted.waived} if wanted.waived else {}),
        **rules_content(wanted.rules, settled.rows),
        **({"system_turns": wanted.system_turns} if wanted.system_turns != "auto" else {}),
    }
    rows = part_of_rows(settled.rows, n_train)
    # a file beside itself leaks whole, which Gate A says; a look at eval items alone has no other training file
    leaks = _leaked_remark(built.unmeasured, rows) if eval_path != train_path else []
    of_files = (*items.remarks, *trained.remarks, *settled.remarks)
    remarks = dict.fromkeys((*of_files, *built.remarks, *leaks, *unused_rows(trained.rows, rows)))
    notes = (*dict.fromkeys((*items.notes, *trained.notes)), *settled.notes, *built.notes)
    return Dataset(eval_path.stem, built.tasks, rows, digest(content), notes, tuple(remarks))


def rules_content(rules: RowRules, rows: Sequence[Row]) -> dict[str, Any]:
    """Return what rules change of the rows that the files' bytes do not tell."""
    said = {key: value for key, value in asdict(rules).items() if key != "turns" and value != getattr(AS_THEY_ARE, key)}
    turns = sum(row.dialogue is not None for row in rows)
    return said | ({"turns": turns} if turns else {})


def part_of_rows(rows: Sequence[Row], count: int) -> tuple[Row, ...]:
    """Return ``count`` rows in the file's order (0: all), by the SHA-256 of their lines."""
    chosen = sorted(rows, key=lambda row: sha256(str(row.line).encode()).digest())[: count or len(rows)]
    return tuple(sorted(chosen, key=lambda row: row.line))


def unused_rows(rows: Sequence[Row], used: Sequence[Row]) -> list[Remark]:
    """Say that a part of the rows is used, where one is."""
    if len(used) == len(rows):
        return []
    value = f"dataset.rows={len(used)}: {len(used)} of {len(rows)} training rows are used"
    return [Remark("rows used", value, "The others are not trained on.", "dataset.rows=0 uses every row.")]


def require_known(waived: Sequence[str], unlicensed: Sequence[str]) -> None:
    """Raise Refusal where a source is waived that no training row needs a waiver for: its name may be misspelt."""
    unknown = [name for name in waived if name not in unlicensed]
    if unknown:
        told = ", ".join(unknown)
        raise Refusal(
            f"dataset.waived: no training row comes from {told} without a licence.",
            choices_hint(unknown[0], unlicensed) if unlicensed else "Waive nothing: dataset.waived=[].",
        )


def _leaked_remark(unmeasured: Sequence[Task], rows: Sequence[Row]) -> list[Remark]:
    """Name what training repeats of the items that are no tasks: Gate A looks for leaks of tasks alone."""
    found = survey(unmeasured, rows)
    leaked = found.ids(Status.CONTAMINATED)
    if not leaked:
        return []
    return [
        Remark(
            "left-out items in training",
            f"{len(leaked)} of {len(unmeasured)} items that are not measured stand in the training rows",
            "The training rows repeat this benchmark: figures that others report on it after such training say little.",
            "Leave those rows out, where the whole benchmark is to stay unseen.",
            tuple(str(overlap) for overlap in found.overlaps if overlap.tier == "T1"),
        )
    ]
