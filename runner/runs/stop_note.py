"""The wish to stop, written beside a running gate the moment it is heard, so that every screen can show it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from env.files import write_atomic
from env.refusal import Refusal
from runner.runs.journal import now

_NAME = "stopping.json"


@dataclass(frozen=True, slots=True)
class StopNote:
    """When a stop was requested, ISO; ``at_once`` once it was requested twice."""

    at: str
    at_once: bool = False


def write_stop_note(folder: Path, at_once: bool = False) -> None:
    """Write the note of the run in ``folder``; a disk that takes none changes nothing about the stop itself."""
    with suppress(Refusal):
        write_atomic(folder / _NAME, json.dumps(asdict(StopNote(now(), at_once))) + "\n")


def read_stop_note(folder: Path) -> StopNote | None:
    """Return the note; None where no stop is requested, or the file is not one."""
    try:
        return StopNote(**json.loads((folder / _NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove_stop_note(folder: Path) -> None:
    """Remove the note, if there is one: the gate has ended."""
    with suppress(OSError):
        (folder / _NAME).unlink(missing_ok=True)
