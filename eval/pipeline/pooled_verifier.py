"""What verifiers over a pool of children share: limits before a child sees a program, endings, and closing.

Fails closed: an answer that cannot be read, or that contradicts itself or the job, is HARNESS_ERROR.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import Self

from env.refusal import Refusal
from eval.pipeline.verifier import Caveat, Job, VerifierSettings
from eval.records import CheckResult, Outcome, TaskCheck, Verdict
from eval.sandbox.pool import Ending, Pool

OUTCOME_OF = {"timeout": Outcome.TIMEOUT, "memory": Outcome.MEMORY, "crashed": Outcome.CRASHED}
CHECK_STATES = {"passed": True, "failed": False, "skipped": None}


class PooledVerifier(ABC):
    """A verifier whose programs run in ``_pool``; a subclass opens the pool, says what a child is given, and reads it.

    Its ``__init__`` sets ``_settings``, ``_pool``, ``name``, ``isolation`` and ``isolation_reason``.
    """

    choice = "requested by name"
    caveat: Caveat | None = None
    name: str
    isolation: str
    isolation_reason: str
    _settings: VerifierSettings
    _pool: Pool[Verdict]

    def submit(self, job: Job) -> Future[Verdict]:
        """Queue ``job``.

        Raises:
            Refusal: a check needs what this verifier has not.
        """
        for check in job.checks:
            if not self.supports(check):
                raise self._unsupported(check)
        size_kb, allowed_kb = len(job.code) / 1024, self._settings.code_kb
        if size_kb > allowed_kb:
            return self._decided(Outcome.MEMORY, f"a program of {size_kb:,.0f} KB; at most {allowed_kb:,} KB are run")
        return self._queue(job)

    def supports(self, check: TaskCheck) -> bool:
        """Whether ``check`` needs no running engine."""
        return check.needs == "registry"

    def close(self) -> None:
        """Cancel what waits and end every process. Safe to call twice."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def _unsupported(self, check: TaskCheck) -> Refusal:
        """Return why ``check`` cannot be run, with the ways out."""

    @abstractmethod
    def _queue(self, job: Job) -> Future[Verdict]:
        """Give the pool a job that is within the limits."""

    @abstractmethod
    def _read(self, job: Job, ending: Ending) -> Verdict:
        """Return the verdict in a child's answer.

        Raises:
            ValueError, KeyError, TypeError: it contradicts itself or the job.
        """

    def _decided(self, outcome: Outcome, detail: str) -> Future[Verdict]:
        """Return the verdict on a program that no child needs to see."""
        future: Future[Verdict] = Future()
        future.set_result(Verdict(outcome, detail, 0.0, self.name, self.isolation))
        return future

    def _verdict(self, job: Job, ending: Ending) -> Verdict:
        """Return the verdict on ``job``, whose child ended so."""
        if ending.kind == "answer":
            try:
                return self._read(job, ending)
            except (ValueError, KeyError, TypeError) as error:
                ending = Ending("lost", detail=f"an invalid answer: {error}", seconds=ending.seconds)
        outcome = OUTCOME_OF.get(ending.kind, Outcome.HARNESS_ERROR)
        not_reached = tuple(CheckResult(check.name, None) for check in job.checks)
        return Verdict(outcome, ending.detail, ending.seconds, self.name, self.isolation, not_reached)
