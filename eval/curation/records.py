"""The records of curation: a row with where it came from, a row that was dropped and why, what a stage gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from eval.records import Row, TaskCheck

Part = Literal["pairs", "trajectories", "repair"]
PARTS: tuple[Part, ...] = ("pairs", "trajectories", "repair")


@dataclass(frozen=True, slots=True)
class CuratedRow:
    """One training row on its way through the stages.

    Attributes:
        id: unique in a curation: "source:file:line", with "#2" and so on where a line gives several rows.
        line: 1-based, where the row begins in its file.
        commit: of the source, where it is known; "" elsewhere.
        licence: an SPDX expression; "" where nothing says one. ``terms`` is the set that it belongs to.
        attribution: who holds the copyright, as the source says it.
        part: pairs of question and answer, tool trajectories, or repair.
        made: how its text came about; "" for a row that stands in its file as it is.
        checks: what its program must pass, beside being loaded.
        messages: the conversation as its file has it, of a row that is a chat; ``instruction`` and ``output`` then are
            what is compared and executed of it. ``tools`` are what it may call.
        cluster: rows that say the same share one; a split never divides it.
        difficulty: 1 to 5; 0 before it is scored.
        facts: what was counted of it, by name.
    """

    id: str
    source: str
    file: str
    line: int
    instruction: str
    output: str
    family: str
    part: Part = "pairs"
    input: str = ""
    kind: str = ""
    system: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    mod_name: str = ""
    commit: str = ""
    licence: str = ""
    terms: str = ""
    attribution: str = ""
    made: str = ""
    checks: tuple[TaskCheck, ...] = ()
    cluster: str = ""
    difficulty: int = 0
    facts: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """What is asked, its input behind it."""
        return f"{self.instruction}\n{self.input}"

    @property
    def place(self) -> str:
        """Where it came from, as "file:line"."""
        return f"{self.file}:{self.line}"

    def as_row(self, line: int) -> Row:
        """Return it as a training row of line ``line``."""
        return Row(
            self.instruction, self.input, self.output, self.family, self.cluster, self.kind, line, system=self.system
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``row_from_json`` is its inverse."""
        return asdict(self)


def row_from_json(data: dict[str, Any]) -> CuratedRow:
    """Return the row that ``CuratedRow.to_json`` gave. Raises KeyError or TypeError on foreign data."""
    lists = {
        "checks": tuple(TaskCheck(**check) for check in data["checks"]),
        "messages": tuple(data["messages"]),
        "tools": tuple(data["tools"]),
    }
    return CuratedRow(**{**data, **lists})


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row, or a place that gave none, that a stage left out.

    Attributes:
        reason: one of few: dropped rows are counted by it. ``detail`` says what is particular to this one.
        kept: the id of the row that stays in its place, of a duplicate; "" elsewhere.
    """

    id: str
    place: str
    reason: str
    detail: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage gives back.

    Attributes:
        facts: what it counted, as JSON.
        files: finished files by name, of a stage that writes some.
        made: rows that it added to those that came in.
    """

    rows: tuple[CuratedRow, ...]
    dropped: tuple[Dropped, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    made: int = 0


def dropped_row(row: CuratedRow, reason: str, detail: str = "", kept: str = "") -> Dropped:
    """Return ``row`` as one that a stage left out."""
    return Dropped(row.id, row.place, reason, detail, kept)
