"""The registry's ledger: one JSON line for each promotion and rollback, appended durably; the last one counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from env.files import append_lines, make_folder, read_lines
from env.refusal import Refusal

SCHEMA_VERSION = 1
FOLDER, LEDGER, LOCK = "registry", "ledger.jsonl", "registry.lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        number: from 1, without gaps.
        at: when, ISO 8601 UTC.
        export: name of the folder below ``exports``, which ends in the digest of its files.
        headline: the decision on it, as its run's Gate E wrote it.
        checks: what the rule asked, each as (name, "yes", "no" or "waived", what was found).
        rule: values and digest of the rule that was asked.
        reason: why a check was waived, or why a rollback was made; "" where nothing needs one.
        replaced: the export that was ``latest`` before; "" where there was none.
    """

    number: int
    at: str
    kind: Literal["promote", "rollback"]
    export: str
    run: str
    cell: str
    headline: str
    checks: tuple[tuple[str, str, str], ...]
    rule: Mapping[str, Any]
    reason: str
    replaced: str

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry of a results folder; ``folder`` need not exist yet."""

    folder: Path

    @classmethod
    def of(cls, results: Path) -> Registry:
        """Return the registry of the runs in ``results``."""
        return cls(results / FOLDER)

    @property
    def exports(self) -> Path:
        """The folder of exports."""
        return self.folder / "exports"

    @property
    def link(self) -> Path:
        """The link to the export that is to be used: its target changes atomically."""
        return self.folder / "latest"

    @property
    def lock(self) -> Path:
        """What a promotion or rollback holds."""
        return self.folder / LOCK

    def entries(self) -> tuple[Entry, ...]:
        """Return the ledger; a torn last line, which a kill can leave, is no entry.

        Raises:
            Refusal: a complete line is no entry, or their numbers have a gap: the file was edited.
        """
        path = self.folder / LEDGER
        if not path.is_file():
            return ()
        found = tuple(_entry(path, number, text) for number, text in enumerate(read_lines(path), start=1))
        for place, entry in enumerate(found, start=1):
            if entry.number != place:
                raise Refusal(f"{path}, line {place}: is entry {entry.number}, not {place}.", "Restore the file.")
        return found

    def append(self, entry: Entry) -> None:
        """Store an entry durably."""
        make_folder(self.folder)
        append_lines(self.folder / LEDGER, [json.dumps(entry.to_json(), ensure_ascii=False)])


def _entry(path: Path, number: int, text: str) -> Entry:
    try:
        values = json.loads(text)
        if values.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("of another schema version")
        return Entry(**values | {"checks": tuple(map(tuple, values["checks"]))})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"{path}, line {number}: no entry ({error}).", "Restore the file.") from None
