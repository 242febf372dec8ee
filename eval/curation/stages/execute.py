"""Execute: every program is loaded in its domain's verifier, with its checks where it has some; what fails is dropped.

A verdict is stored as soon as its chunk is done, under what was executed: a killed stage executes nothing twice. Calls
have no world to run in here: they were read by the stage before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from env.files import append_lines, digest, read_lines
from env.silence import reach
from eval.curation.answers import task_of
from eval.curation.breaking import Broken, broken_variants
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, Dropped, StageResult, dropped_row
from eval.curation.repairing import repair_row
from eval.curation.surroundings import PROGRAMS, Surroundings, code_in, versions_of
from eval.domains import DOMAINS, Derives, Domain, open_verifier
from eval.pipeline.extract import extract
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, Task, TaskCheck

VERDICTS = "verdicts.jsonl"
_DETAIL = 300


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings, the verifier with its limits, its code, and the versions of what it runs on."""
    domain = around.domain
    return {
        **asdict(recipe.execute),
        "verifier": None if around.verifier is None else asdict(around.verifier) | {"workers": 0},
        "domain": domain.name,
        "code": code_in(DOMAINS[domain.name].rpartition(".")[0], PROGRAMS),
        "versions": versions_of(domain.packages),
    }


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows whose program passes, each followed by the repair rows that were made of it."""
    if around.verifier is None:
        return StageResult(tuple(rows), facts={"verifier": "none: nothing was executed"})
    domain = around.domain
    with open_verifier(domain, around.verifier) as verifier:
        work = _Executed(verifier, around.folder / VERDICTS, recipe.execute.chunk)
        jobs = {row.id: job for row in rows if (job := _job(row, recipe, domain)) is not None}
        verdicts = work.verdicts(list(jobs.values()))
        ended = {row.id: _ending(row, jobs.get(row.id), verdicts, domain) for row in rows}
        passed = [
            replace(row, facts={**row.facts, "checks": len(jobs[row.id].checks)}) if row.id in jobs else row
            for row in rows
            if ended[row.id][0] is Outcome.PASSED
        ]
        made = _repairs(passed, jobs, recipe, domain, work) if recipe.execute.mutations else {}
        about = {"verifier": verifier.name, "isolation": verifier.isolation}
    kept = [one for row in passed for one in (row, *made.get(row.id, ()))]
    count = len(kept) - len(passed)
    dropped = [_dropped(row, *ended[row.id]) for row in rows if ended[row.id][0] is not Outcome.PASSED]
    facts = {
        **about,
        "executed": len(jobs),
        "with checks": sum(bool(job.checks) for job in jobs.values()),
        "outcomes": dict(Counter(verdicts[_key(job)][0] for job in jobs.values())),
        **({"repair rows made": count} if count else {}),
    }
    return StageResult(tuple(kept), tuple(dropped), facts, made=count)


def _dropped(row: CuratedRow, outcome: Outcome, detail: str) -> Dropped:
    missing = outcome is Outcome.HARNESS_ERROR
    return dropped_row(row, f"{'could not be executed' if missing else 'does not pass'}: {outcome}", detail)


def _ending(
    row: CuratedRow, job: Job | None, verdicts: Mapping[str, tuple[Outcome, str]], domain: Domain
) -> tuple[Outcome, str]:
    """Return how a row ended: by its verdict, else as it was read; calls and words beside them pass."""
    if job is not None:
        return verdicts[_key(job)]
    task = task_of(row, domain)
    found = extract(task, row.output, domain.language)
    return (Outcome.PASSED, "") if task.answer == "calls" else (found.outcome or Outcome.PASSED, found.detail)


def _job(row: CuratedRow, recipe: Recipe, domain: Domain) -> Job | None:
    """Return what is executed of a row; None of calls, and of an answer without a program."""
    task = task_of(row, domain)
    program = extract(task, row.output, domain.language).code
    if task.answer == "calls" or program is None:
        return None
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
        """Return outcome and detail of every job, executing those that are not known.

        What could not be verified is tried once more, and is never stored: it is missing data.
        """
        waiting = {key: job for job in jobs if (key := _key(job)) not in self._known}
        self._execute(list(waiting.items()))
        self._execute([(key, job) for key, job in waiting.items() if self._known[key][0] is Outcome.HARNESS_ERROR])
        return {_key(job): self._known[_key(job)] for job in jobs}

    def _execute(self, jobs: Sequence[tuple[str, Job]]) -> None:
        for start in range(0, len(jobs), self._chunk):
            futures = [(key, self._verifier.submit(job)) for key, job in jobs[start : start + self._chunk]]
            lines = []
            for number, (key, future) in enumerate(futures, start=start + 1):
                verdict = future.result()
                outcome, detail = self._known[key] = verdict.outcome, verdict.detail[:_DETAIL]
                if outcome is not Outcome.HARNESS_ERROR:
                    lines.append(json.dumps({"key": key, "outcome": outcome, "detail": detail}))
                reach(number, len(jobs), "programs")
            append_lines(self._path, lines)


def _key(job: Job) -> str:
    return digest([job.code, [asdict(check) for check in job.checks], job.mod_name])


def _repairs(
    rows: Sequence[CuratedRow], jobs: Mapping[str, Job], recipe: Recipe, domain: Domain, work: _Executed
) -> dict[str, tuple[CuratedRow, ...]]:
    """Return, by the id of a row that passed, repair rows: a variant of its program that was executed and failed."""
    tried: list[tuple[CuratedRow, Broken, Job]] = []
    for row in rows:
        if row.part == "pairs" and row.id in jobs and task_of(row, domain).answer == "code":
            job = jobs[row.id]
            variants = broken_variants(job.code, recipe.execute.mutations, f"{recipe.seed}/{row.id}")
            tried += [(row, broken, replace(job, code=broken.program)) for broken in variants]
    verdicts = work.verdicts([job for *_, job in tried])
    made: dict[str, list[CuratedRow]] = {}
    for row, broken, job in tried:
        outcome, detail = verdicts[_key(job)]
        if outcome not in (Outcome.PASSED, Outcome.HARNESS_ERROR):
            program = jobs[row.id].code
            found = repair_row(row, program, broken, f"{outcome}: {detail}", recipe.execute, domain)
            if found is not None:
                own = made.setdefault(row.id, [])
                own.append(replace(found, id=f"{row.id}~repair{len(own) + 1}"))
    return {key: tuple(rows) for key, rows in made.items()}
