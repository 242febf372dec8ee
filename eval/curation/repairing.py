"""A repair row from a program that passes and a variant of it that was executed and failed."""

from __future__ import annotations

import difflib
from dataclasses import replace

from eval.curation.breaking import Broken
from eval.curation.recipe import ExecuteSettings
from eval.curation.records import CuratedRow
from eval.domains import Domain
from eval.pipeline.forms.patching import PatchRejected, apply_patch

_FILE = "init.lua"
_CONTEXT = 2


def repair_row(
    row: CuratedRow, program: str, broken: Broken, error: str, settings: ExecuteSettings, domain: Domain
) -> CuratedRow | None:
    """Return the row that asks to repair ``broken``; None where the diff that answers it would not apply.

    The answer is a diff where the repair family is answered by one, else the whole program.
    """
    answer = program
    if domain.families[settings.repair_family] == "diff":
        old, new = (text.rstrip("\n").splitlines() for text in (broken.program, program))
        lines = difflib.unified_diff(old, new, f"a/{_FILE}", f"b/{_FILE}", n=_CONTEXT, lineterm="")
        answer = "\n".join(lines)
        try:
            if apply_patch(broken.program.rstrip("\n"), answer).text.rstrip("\n") != program.rstrip("\n"):
                return None
        except PatchRejected:
            return None
    return replace(
        row,
        instruction=settings.repair_instruction.format(error=error),
        input=broken.program.rstrip("\n"),
        output=answer,
        family=settings.repair_family,
        messages=(),
        tools=(),
        part="repair",
        made=f"mutation, proven by execution: {broken.how}",
        facts={"broken": error},
    )
