"""The verifier "world": a program runs in a Luau VM of its own against a model of the engine, under virtual time.

The model is strict where the engine is: unknown members, wrong types, read-only properties, sides. What it does not
hold gives a placeholder and a finding that begins with "unmodelled:"; what cannot be modelled (meshes, terrain, forces)
makes the outcome NEEDS_STUDIO. Not covered: physics, rendering, replication delays, types (no analyzer runs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

from env.refusal import Refusal
from eval.domains.roblox.domain import LUAU
from eval.domains.roblox.verify.machines import chosen, named
from eval.domains.roblox.verify.runs import Condition, arguments_of, read_answer
from eval.domains.roblox.verify.world_files import on_demand, program
from eval.pipeline.forms.calls import MalformedCalls
from eval.pipeline.pooled_verifier import CHECK_STATES, PooledVerifier
from eval.pipeline.verifier import Job, VerifierSettings
from eval.records import CheckResult, Outcome, TaskCheck, Verdict
from eval.sandbox.pool import Ending, Pool, usable_cpus
from eval.sandbox.process import ChildSettings

# Run before the child is locked down: one that passes, one for each way to fail.
WARM_UP = (
    ("print(1)", "deferred", "1", "", "", "", "printed", 'equal(prints()[1], "1", "output")'),
    ("x = = 1", "deferred", "1", "", "", ""),
    ("error({})", "immediate", "1", "", "", ""),
)
CANDIDATE = Condition()


class World(PooledVerifier):
    """The model of the engine over a pool of children, each with VMs of the implementation ``machine``.

    Raises:
        Refusal: there is no Luau VM here, no child starts, or the isolation is weaker than required.
    """

    language = LUAU
    conditions: tuple[Condition, ...] = (CANDIDATE,)

    def __init__(self, settings: VerifierSettings, machine: str = "") -> None:
        language, self.choice = named(machine) if machine else chosen()
        self._settings = settings
        child = ChildSettings(
            program=program(settings.output_kb),
            on_demand=on_demand(),
            warm_up=WARM_UP,
            timeout_s=settings.timeout_s,
            cpu_s=settings.cpu_s,
            memory_mb=settings.memory_mb,
            recycle_after=settings.recycle_after,
            language=language,
        )
        self._pool = Pool(child, settings.workers or usable_cpus(), settings.require_isolation)
        self.name = self._pool.runtime.lower().replace(" ", "/")
        self.isolation, self.isolation_reason = self._pool.isolation, self._pool.isolation_reason

    def _unsupported(self, check: TaskCheck) -> Refusal:
        return Refusal(
            f'No verifier here can run the check "{check.name}": it needs Roblox Studio.',
            "Exclude its task, or write the check against what a program does.",
        )

    def _queue(self, job: Job) -> Future[Verdict]:
        """Queue a run for each of the job's worlds and conditions; the first that fails is the verdict."""
        try:
            runs = [(under, texts) for under in self.conditions for texts in arguments_of(job, under)]
        except MalformedCalls as malformed:
            return self._decided(Outcome.NO_CODE, str(malformed))
        futures = [self._pool.submit(texts, self._judge(job, under)) for under, texts in runs]
        return futures[0] if len(futures) == 1 else gathered(futures)

    def _judge(self, job: Job, under: Condition) -> Callable[[Ending], Verdict]:
        def judge(ending: Ending) -> Verdict:
            verdict = self._verdict(job, ending)
            if verdict.outcome is Outcome.PASSED or under == CANDIDATE:
                return verdict
            return replace(verdict, detail=f"{under}: {verdict.detail}")

        return judge

    def _read(self, job: Job, ending: Ending) -> Verdict:
        answer = read_answer(ending)
        outcome = Outcome(answer.outcome)
        if len(answer.states) != len(job.checks):
            raise ValueError("its number of checks differs")
        checks = tuple(
            CheckResult(check.name, CHECK_STATES[state], detail)
            for check, (state, detail) in zip(job.checks, answer.states, strict=True)
        )
        if outcome is Outcome.PASSED and not all(check.passed for check in checks):
            raise ValueError("outcome and checks contradict each other")
        return Verdict(
            outcome,
            answer.detail,
            ending.seconds,
            self.name,
            self.isolation,
            checks,
            answer.made,
            answer.called,
            answer.findings,
        )


def gathered(futures: Sequence[Future[Verdict]]) -> Future[Verdict]:
    """Return a future of the first verdict that is no pass, in the order of ``futures``, else of the first one."""
    whole: Future[Verdict] = Future()
    lock = Lock()
    waiting = len(futures)

    def arrived(_: Future[Verdict]) -> None:
        nonlocal waiting
        with lock:
            waiting -= 1
            if waiting:
                return
        if any(future.cancelled() for future in futures):
            whole.cancel()
            return
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            whole.set_exception(errors[0])
            return
        verdicts = [future.result() for future in futures]
        failed = [verdict for verdict in verdicts if verdict.outcome is not Outcome.PASSED]
        seconds = sum(verdict.seconds for verdict in verdicts)
        whole.set_result(replace((failed or verdicts)[0], seconds=seconds))

    for future in futures:
        future.add_done_callback(arrived)
    return whole


def open_pool(settings: VerifierSettings) -> World:
    """Return a running verifier. Raises Refusal where there is no Luau VM or the isolation is too weak."""
    return World(settings)
