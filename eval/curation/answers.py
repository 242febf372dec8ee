"""A curated row as a task, so that the code that judges candidates judges its answer too."""

from __future__ import annotations

from eval.curation.records import CuratedRow
from eval.domains import Domain
from eval.records import AnswerForm, Task


def task_of(row: CuratedRow, domain: Domain) -> Task:
    """Return ``row`` with its answer as the reference and its own checks."""
    return Task(
        id=row.id,
        family=row.family,
        kind=row.kind,
        cluster=row.cluster,
        split="dev",
        instruction=row.instruction,
        input=row.input,
        answer=_form(row, domain),
        reference=row.output,
        checks=row.checks,
        mod_name=row.mod_name,
        system=row.system,
    )


def _form(row: CuratedRow, domain: Domain) -> AnswerForm:
    """Return the form of the answer: a family of programs may hold rows that answer by a diff of their input."""
    is_diff = bool(row.input) and any(line.startswith("@@ ") for line in row.output.splitlines())
    return "diff" if is_diff else domain.families[row.family]
