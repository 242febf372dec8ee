"""Wrong answers to a task that has none: its reference with one value changed that the prompt states too."""

from __future__ import annotations

import difflib
from importlib import import_module

from eval.domains import Derives, Domain
from eval.pipeline.extract import extract
from eval.pipeline.forms.patching import PatchRejected, apply_patch
from eval.records import NearMiss, Row, Task

# Of one task: a reference with more shared values is long, and its first ones tell enough.
MOST = 12


def derived_misses(task: Task, domain: Domain) -> tuple[NearMiss, ...]:
    """Return up to 12 answers to ``task`` that its checks should reject, in the form it asks for.

    None where the reference holds no program, or shares no value with the prompt.
    """
    deriver: Derives = import_module(domain.derive)  # type: ignore[assignment]
    program = extract(task, task.reference, domain.language).code
    if program is None:
        return ()
    row = Row(task.instruction, task.input, task.reference, task.family)
    found = []
    for variant in deriver.variants(row, program)[:MOST]:
        answer = _diff(task.input, variant.program) if task.answer == "diff" else variant.program
        if answer is not None:
            found.append(NearMiss(answer, variant.change))
    return tuple(found)


def _diff(source: str, program: str) -> str | None:
    """Return a diff that makes ``program`` of ``source``; None where its context is not unique."""
    lines = difflib.unified_diff(source.split("\n"), program.split("\n"), "init.lua", "init.lua", lineterm="")
    text = "\n".join(lines)
    try:
        return text if apply_patch(source, text).text == program else None
    except PatchRejected:
        return None
