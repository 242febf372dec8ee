"""Score: what programs hold, counted; difficulty 1 to 5 by structure. Nothing is judged by the words that it uses."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.curation.answers import task_of
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.curation.surroundings import Surroundings
from eval.domains import Domain
from eval.pipeline.extract import extract
from eval.pipeline.forms.calls import parsed
from eval.pipeline.lua_text import quoted_spans

_BRANCH, _LOOP, _FUNCTION = (re.compile(rf"\b(?:{words})\b") for words in ("if|elseif", "for|while|repeat", "function"))
_CALL = re.compile(r"\b([A-Za-z_]\w*(?:[.:]\w+)+)\s*(?=[({\"'\[])")
# Distinct functions that a program calls on other tables count a quarter of a branch each.
_CALLS_PER_POINT = 4
# The most points of difficulties 1 to 4.
_LIMITS = (1, 3, 6, 12)
# The most calls of a trajectory of difficulties 1 to 4.
_CALL_LIMITS = (1, 2, 4, 8)


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return what tells programs from calls."""
    return {"domain": around.domain.name}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows with their counts and difficulty."""
    scored = tuple(_scored(row, around.domain) for row in rows)
    levels = Counter(row.difficulty for row in scored)
    return StageResult(scored, facts={"difficulty": {str(level): levels[level] for level in sorted(levels)}})


def _scored(row: CuratedRow, domain: Domain) -> CuratedRow:
    task = task_of(row, domain)
    program = extract(task, row.output, domain.language).code or ""
    sizes = {"prompt characters": len(row.prompt), "answer characters": len(row.output)}
    if task.answer == "calls":
        calls = len(parsed(program, "the answer")) if program else 0
        return replace(row, difficulty=_level(calls, _CALL_LIMITS), facts={**row.facts, **sizes, "calls": calls})
    counts = structure(program)
    points = counts["functions"] + counts["branches"] + counts["loops"] + counts["called"] // _CALLS_PER_POINT
    return replace(row, difficulty=_level(points, _LIMITS), facts={**row.facts, **sizes, **counts})


def _level(points: int, limits: Sequence[int]) -> int:
    """Return 1 to 5: how many limits are passed, and one."""
    return bisect_right(limits, points - 1) + 1 if points else 1


def structure(program: str) -> dict[str, int]:
    """Return how many lines, functions, branches and loops a program has, and how many distinct members it calls."""
    text = _without_quoted(program)
    return {
        "lines": sum(bool(line.strip()) for line in program.splitlines()),
        "functions": len(_FUNCTION.findall(text)),
        "branches": len(_BRANCH.findall(text)),
        "loops": len(_LOOP.findall(text)),
        "called": len(set(_CALL.findall(text))),
    }


def _without_quoted(program: str) -> str:
    parts, position = [], 0
    for span in quoted_spans(program):
        parts += [program[position : span.start], '""' if span.kind == "string" else " "]
        position = span.end
    return "".join([*parts, program[position:]])
