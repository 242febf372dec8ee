"""What a source gives: rows, and places that gave none with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from eval.curation.recipe import Source, Templates
from eval.curation.records import CuratedRow, Dropped
from eval.domains import Domain

Found = CuratedRow | Dropped


class Collects(Protocol):
    """Yields what a source holds, always in the same order. Raises Refusal where it cannot be read at all."""

    def __call__(self, name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]: ...


def place_id(name: str, file: str, line: int) -> str:
    """Return the id of a row at this place."""
    return f"{name}:{file}:{line}"


def nothing_at(name: str, file: str, line: int, reason: str, detail: str = "") -> Dropped:
    """Return a place that gives no row."""
    return Dropped(place_id(name, file, line), f"{file}:{line}", reason, detail)
