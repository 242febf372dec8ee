"""What somebody wrote into a run's config.yaml since luagate last wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.runs.folder import Run, stored_config
from runner.runs.plain_config import differing, leaves, read_plain


@dataclass(frozen=True, slots=True)
class HandEdit:
    """A value that was changed in the file itself; None where there is no such key before or after."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {self.before!r} became {self.after!r}"


def hand_edits(run: Run) -> list[HandEdit]:
    """Return the values that differ; comments and order do not count. Whether they are an experiment is not looked at.

    Raises:
        Refusal: the file is missing, or not YAML.
    """
    known, edited = stored_config(run), run.file("config.yaml")
    if not known.is_file() or (edited.is_file() and known.read_bytes() == edited.read_bytes()):
        return []
    former, config = read_plain(known), read_plain(edited)
    before, after = leaves(former), leaves(config)
    return [HandEdit(key, before.get(key), after.get(key)) for key in differing(former, config)]
