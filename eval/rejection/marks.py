"""What orders answers that passed: their marks, and what a second verifier says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from env.silence import reach
from eval.domains import Domain, scorer_of
from eval.pipeline.scoring import Answered, scores_of
from eval.pipeline.verifier import Job, Verifier, unsupported
from eval.records import Outcome, Sample, Task
from eval.rejection.answers import AnswerKey


def marks_of(samples: Iterable[Sample], tasks: Mapping[str, Task], domain: Domain) -> dict[AnswerKey, dict[str, float]]:
    """Return the marks of samples that passed, by task and index; no mark passes or fails a program."""
    scorer = scorer_of(domain)
    found = {}
    for sample in samples:
        answered = Answered(tasks[sample.task_id].input, sample.candidate, sample.verdict)
        if sample.verdict.outcome is Outcome.PASSED and (marks := scores_of(answered, scorer)) is not None:
            found[sample.task_id, sample.index] = asdict(marks)
    return found


def second_opinions(
    samples: Sequence[Sample], tasks: Mapping[str, Task], verifier: Verifier
) -> dict[AnswerKey, Outcome | None]:
    """Return what another verifier says of programs, by task and index; None where it cannot run the task's checks.

    Equal programs for one task are executed once.
    """
    able = {
        task_id for task_id in {sample.task_id for sample in samples} if not unsupported(verifier, [tasks[task_id]])
    }
    jobs = {}
    for sample in samples:
        task, code = tasks[sample.task_id], sample.candidate.code
        if sample.task_id in able and code is not None and (task.id, code) not in jobs:
            jobs[task.id, code] = verifier.submit(Job(code, task.checks, task.mod_name, task.worlds))
    said: dict[AnswerKey, Outcome | None] = {}
    for done, sample in enumerate(samples, start=1):
        job = jobs.get((sample.task_id, sample.candidate.code or ""))
        said[sample.task_id, sample.index] = None if job is None else job.result().outcome
        reach(done, len(samples), "programs")
    return said
