"""The page of a curation: one self-contained HTML file: funnel, reasons, rows that say the same, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from env.counts import counted
from env.files import write_atomic
from eval.curation.records import CuratedRow, Dropped
from eval.curation.running import Planned, StageOutcome
from runner.report.page import svg
from runner.report.page.writing import printable

PAGE = "curation.html"
# Near-duplicates of one row that stand beside it, and characters of each text.
_SHOWN, _CHARACTERS = 3, 1200
_EXAMPLES = 3
_ROW = 26.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows were dropped by a stage: how many, and the first of them."""

    stage: str
    reason: str
    rows: int
    examples: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A row that stayed, and some of those that it stands for."""

    kept: CuratedRow
    others: tuple[CuratedRow, ...]
    count: int


def write_curation(planned: Planned, outcomes: Sequence[StageOutcome]) -> Path:
    """Write the page beside the curation's files and return its path; the same curation gives the same page."""
    by_name = {one.stage.name: one for one in outcomes}
    last = outcomes[-1].folder
    text = (
        _templates()
        .get_template("curation.html.j2")
        .render(
            recipe=planned.recipe,
            funnel=[(one, _bar(one, outcomes)) for one in outcomes],
            reasons=[reason for one in outcomes for reason in _reasons(one)],
            facts=[(one.stage.name, _told(one.manifest.facts)) for one in outcomes if one.manifest is not None],
            repeated=list(_repeated(by_name["score"], by_name["deduplicate"])),
            licences=_licences(last.rows() if last is not None else ()),
            counted=counted,
            clipped=clipped,
        )
    )
    path = planned.out / PAGE
    data = text.encode("utf-8", "replace")
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return path


def _bar(one: StageOutcome, outcomes: Sequence[StageOutcome]) -> Markup:
    most = max(own.manifest.rows_out for own in outcomes if own.manifest is not None)
    rows = one.manifest.rows_out if one.manifest is not None else 0
    width = 100 * rows / (most or 1)
    return svg.picture(f"{one.stage.name}: {counted(rows, 'row')}", _ROW, svg.bar(0, 4, width, _ROW - 8, "gain"))


def _reasons(one: StageOutcome) -> Iterator[Reason]:
    if one.folder is None or one.manifest is None or not one.manifest.dropped:
        return
    dropped = one.folder.dropped()
    for reason, count in one.manifest.dropped.items():
        examples = [row for row in dropped if row.reason == reason][:_EXAMPLES]
        yield Reason(one.stage.name, reason, count, tuple(examples))


def _told(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a stage's facts as words; what the page shows elsewhere is left out."""
    told = []
    for name, value in facts.items():
        if isinstance(value, dict) and name != "shown":
            told.append((name, ", ".join(f"{key} {count}" for key, count in value.items()) or "none"))
        elif name != "shown":
            told.append((name, f"{value:,}" if isinstance(value, int) else str(value)))
    return told


def _repeated(before: StageOutcome, deduplicated: StageOutcome) -> Iterator[Repeated]:
    if before.folder is None or deduplicated.manifest is None:
        return
    shown: dict[str, list[str]] = deduplicated.manifest.facts["shown"]
    wanted = {row_id for kept, others in shown.items() for row_id in (kept, *others)}
    rows = {row.id: row for row in before.folder.rows() if row.id in wanted}
    for kept, others in shown.items():
        yield Repeated(rows[kept], tuple(rows[other] for other in others[:_SHOWN]), len(others))


def _licences(rows: Sequence[CuratedRow]) -> list[tuple[str, str, int]]:
    counts = Counter((row.terms, row.licence or "unknown") for row in rows)
    return [(terms, licence, count) for (terms, licence), count in sorted(counts.items(), key=lambda i: (-i[1], i[0]))]


def clipped(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]} …"


@lru_cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.report.page"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(printable=printable)
    return environment
