"""Execute: every program is loaded in its domain's verifier, with its checks where it has some; what fails is dropped.

A verdict is stored as soon as its chunk is done, under what was executed: a killed stage executes nothing twice. Calls
have no world to run in here: they were read by the stage before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from env.files import append_lines, digest, read_lines
from env.silence import reach
from eval.curation.answers import task_of
from eval.curation.breaking import broken_variants
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, Dropped, StageResult, dropped_row
from eval.curation.repairing import repair_row
from eval.curation.surroundings import Surroundings, code_in, versions_of
from eval.domains import Derives, Domain, open_verifier
from eval.pipeline.extract import extract
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, Task, TaskCheck

VERDICTS = "verdicts.jsonl"
_DETAIL = 300


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings, the verifier with its limits, its code, and the versions of what it runs on."""
    domain = around.domain
    folder = domain.verifiers[next(iter(domain.verifiers))].rpartition(".verify")[0].replace(".", "/")
    return {
        **asdict(recipe.execute),
        "verifier": None if around.verifier is None else asdict(around.verifier) | {"workers": 0},
        "domain": domain.name,
        "code": code_in(folder),
        "versions": versions_of(domain.packages),
    }


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows whose program passes, each followed by the repair rows that were made of it."""
    if around.verifier is None:
        return StageResult(tuple(rows), facts={"verifier": "none: nothing was executed"})
    with open_verifier(around.domain, around.verifier) as verifier:
        work = _Executed(verifier, around.folder / VERDICTS, recipe.execute.chunk)
        judged = [(row, _job(row, recipe, around.domain)) for row in rows]
        verdicts = work.verdicts([job for _, job in judged if job is not None])
        passed: list[CuratedRow] = []
        dropped: list[Dropped] = []
        for row, job in judged:
            if job is None:
                passed.append(row)
                continue
            outcome, detail = verdicts[_key(job)]
            if outcome is Outcome.PASSED:
                passed.append(replace(row, facts={**row.facts, "checks": len(job.checks)}))
            else:
                dropped.append(dropped_row(row, f"does not pass: {outcome}", detail))
        made = _repairs(passed, recipe, around.domain, work) if recipe.execute.mutations else {}
        facts = {
            "verifier": verifier.name,
            "isolation": verifier.isolation,
            "executed": sum(job is not None for _, job in judged),
            "with checks": sum(bool(job.checks) for _, job in judged if job is not None),
            "outcomes": dict(Counter(verdicts[_key(job)][0] for _, job in judged if job is not None)),
        }
    kept = [one for row in passed for one in (row, *made.get(row.id, ()))]
    count = len(kept) - len(passed)
    return StageResult(tuple(kept), tuple(dropped), facts | ({"repair rows made": count} if count else {}), made=count)


def _job(row: CuratedRow, recipe: Recipe, domain: Domain) -> Job | None:
    """Return what is executed of a row; None of calls."""
    task = task_of(row, domain)
    if task.answer == "calls":
        return None
    program = extract(task, row.output, domain.language).code or ""
    return Job(program, _checks(row, task, program, recipe, domain), row.mod_name)


def _checks(row: CuratedRow, task: Task, program: str, recipe: Recipe, domain: Domain) -> tuple[TaskCheck, ...]:
    if row.checks or recipe.execute.checks == "own":
        return row.checks
    deriver: Derives = import_module(domain.derive)  # type: ignore[assignment]
    derived = deriver.derive(row.as_row(row.line), program)
    # a world that checks need is the task's to give; a row has none
    return () if derived.worlds else derived.checks


class _Executed:
    """Verdicts by what was executed, kept in a file of lines that is written in the order of the rows."""

    def __init__(self, verifier: Verifier, path: Path, chunk: int) -> None:
        self._verifier, self._path, self._chunk = verifier, path, chunk
        stored = [json.loads(line) for line in read_lines(path)]
        self._known = {line["key"]: (Outcome(line["outcome"]), line["detail"]) for line in stored}

    def verdicts(self, jobs: Sequence[Job]) -> dict[str, tuple[Outcome, str]]:
        """Return outcome and detail of every job, executing those that are not known."""
        waiting = {key: job for job in jobs if (key := _key(job)) not in self._known}
        done = 0
        for chunk in _chunks(list(waiting.items()), self._chunk):
            futures = [(key, self._verifier.submit(job)) for key, job in chunk]
            lines = []
            for key, future in futures:
                verdict = future.result()
                detail = verdict.detail[:_DETAIL]
                self._known[key] = (verdict.outcome, detail)
                lines.append(json.dumps({"key": key, "outcome": verdict.outcome, "detail": detail}))
                done += 1
                reach(done, len(waiting), "programs")
            append_lines(self._path, lines)
        return {_key(job): self._known[_key(job)] for job in jobs}


def _key(job: Job) -> str:
    return digest([job.code, [asdict(check) for check in job.checks], job.mod_name])


def _chunks(items: Sequence[tuple[str, Job]], size: int) -> Iterator[Sequence[tuple[str, Job]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _repairs(
    rows: Sequence[CuratedRow], recipe: Recipe, domain: Domain, work: _Executed
) -> dict[str, tuple[CuratedRow, ...]]:
    """Return, by the id of a row that passed, repair rows: a variant of its program that was executed and failed."""
    tried: list[tuple[CuratedRow, str, str, Job]] = []
    for row in rows:
        job = _job(row, recipe, domain) if row.part == "pairs" else None
        if job is not None and task_of(row, domain).answer == "code":
            for broken in broken_variants(job.code, recipe.execute.mutations, f"{recipe.seed}/{row.id}"):
                tried.append((row, job.code, broken.how, replace(job, code=broken.program)))
    verdicts = work.verdicts([job for *_, job in tried])
    made: dict[str, list[CuratedRow]] = {}
    for row, program, how, job in tried:
        outcome, detail = verdicts[_key(job)]
        if outcome not in (Outcome.PASSED, Outcome.HARNESS_ERROR):
            found = repair_row(row, program, job.code, f"{outcome}: {detail}", how, recipe.execute, domain)
            if found is not None:
                own = made.setdefault(row.id, [])
                own.append(replace(found, id=f"{row.id}~repair{len(own) + 1}"))
    return {key: tuple(rows) for key, rows in made.items()}
