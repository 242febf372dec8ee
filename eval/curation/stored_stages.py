"""A stage's results on disk, under the address of everything that they follow from; its manifest is written last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from env.files import make_folder, read_lines, remove_leftovers, sha256_file, write_atomic
from env.refusal import Refusal
from eval.curation.records import CuratedRow, Dropped, StageResult, row_from_json

ROWS, DROPPED, MANIFEST = "rows.jsonl", "dropped.jsonl", "stage.json"
# Of an address, in a folder's name; stage.json holds all of it.
_NAMED = 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished stage says of itself.

    Attributes:
        address: digest of the stage's inputs, settings, code and what it reads outside.
        rows_in, rows_out, made: rows that came, that go on, and of these the ones that the stage made.
        dropped: reason -> rows.
        digests: SHA-256 of each of its files.
    """

    stage: str
    address: str
    rows_in: int
    rows_out: int
    made: int
    dropped: Mapping[str, int]
    facts: Mapping[str, Any]
    digests: Mapping[str, str]


class StageFolder:
    """The folder of one stage under one address."""

    def __init__(self, stages: Path, number: int, stage: str, address: str) -> None:
        self.path = stages / f"{number:02d}-{stage}-{address[:_NAMED]}"
        self._stage, self._address = stage, address

    def manifest(self) -> Manifest | None:
        """Return the manifest of a finished stage whose files are as it left them; None of any other."""
        try:
            found = Manifest(**json.loads((self.path / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.address == self._address and self._is_intact(found) else None

    def _is_intact(self, found: Manifest) -> bool:
        try:
            return all(sha256_file(self.path / name) == digest for name, digest in found.digests.items())
        except Refusal:
            return False

    def prepare(self) -> Path:
        """Return the folder, made and without what a killed write left."""
        make_folder(self.path)
        remove_leftovers(self.path)
        return self.path

    def store(self, result: StageResult, rows_in: int) -> Manifest:
        """Write a stage's results, the manifest last."""
        texts = {
            ROWS: _lines(row.to_json() for row in result.rows),
            DROPPED: _lines(asdict(row) for row in result.dropped),
            **result.files,
        }
        for name, text in texts.items():
            write_atomic(self.path / name, text)
        manifest = Manifest(
            stage=self._stage,
            address=self._address,
            rows_in=rows_in,
            rows_out=len(result.rows),
            made=result.made,
            dropped=dict(Counter(row.reason for row in result.dropped).most_common()),
            facts=result.facts,
            digests={name: sha256(text.encode()).hexdigest() for name, text in texts.items()},
        )
        write_atomic(self.path / MANIFEST, json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n")
        return manifest

    def rows(self) -> tuple[CuratedRow, ...]:
        """Return the rows that the stage let through."""
        return tuple(row_from_json(json.loads(line)) for line in read_lines(self.path / ROWS))

    def dropped(self) -> tuple[Dropped, ...]:
        """Return the rows that the stage left out."""
        return tuple(Dropped(**json.loads(line)) for line in read_lines(self.path / DROPPED))


def _lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)
