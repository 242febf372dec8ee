"""A pool of long-lived children: programs in, futures of their results out."""

from __future__ import annotations

import itertools
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, TypeVar

from env.refusal import Refusal
from eval.sandbox.isolation import insist
from eval.sandbox.process import Child, StartFailed, end_by_signal
from eval.sandbox.turns import Turns
from eval.sandbox.watching import Look
from eval.sandbox.wire import FrameError, FrameTimeout

T = TypeVar("T")
RETRIES = 1  # alone, of a program whose child was lost through no fault of the program, or that hung


@dataclass(frozen=True, slots=True)
class Ending:
    """How one program ended in its child.

    Attributes:
        kind: "answer" was returned; "timeout" and "memory" are limits; "hung" means that for all its wall time it
            did not want the CPU, which the pool makes a timeout when it happens again; "crashed" means the program
            ended its process; "lost" means the cause is unknown, which never counts against the program.
        fields: the judging program's return values, when kind is "answer".
        detail: one line why, for every other kind.
    """

    kind: Literal["answer", "timeout", "memory", "hung", "crashed", "lost"]
    fields: tuple[str | float, ...] = ()
    detail: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class _Work(Generic[T]):
    arguments: list[str]
    judge: Callable[[Ending], T]
    future: Future[T] = field(default_factory=Future)


def usable_cpus() -> int:
    """Return the number of CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Limits(Protocol):
    """The fields of a child's settings that the pool reads."""

    @property
    def timeout_s(self) -> float: ...
    @property
    def cpu_s(self) -> float: ...
    @property
    def memory_mb(self) -> int: ...


class Member(Protocol):
    """A child as the pool sees it: ``process.Child``, or another process that runs programs."""

    isolation: str
    isolation_reason: str
    runtime: str

    @property
    def settings(self) -> Limits: ...
    @property
    def is_spent(self) -> bool: ...
    def ask(self, arguments: list[str], job_id: int) -> dict[str, Any]: ...
    def look(self) -> Look | None: ...
    def death_signal(self) -> int | None: ...
    def last_words(self) -> str: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Pool(Generic[T]):
    """Children and one feeding thread each.

    A child runs ``recycle_after`` programs, then is replaced; one that dies or hangs is replaced at once. Closing
    cancels what waits and kills the children.

    Raises:
        Refusal: no child starts, or the isolation is weaker than ``require_isolation``.
    """

    def __init__(
        self, settings: Any, workers: int, require_isolation: str = "", start: Callable[[Any], Member] = Child
    ) -> None:
        self.isolation, self.isolation_reason, self.runtime = probe(settings, start)
        insist(require_isolation, self.isolation, self.isolation_reason)
        self._settings, self._start = settings, start
        self._queue: queue.SimpleQueue[_Work[T] | None] = queue.SimpleQueue()
        self._ids = itertools.count(1)
        self._turns = Turns()
        self._lock = threading.Lock()  # guards the three below
        self._closing = False
        self._pending: set[Future[T]] = set()
        self._children: set[Member] = set()
        self._threads = [self._start_feeding(number) for number in range(workers)]

    def submit(self, arguments: list[str], judge: Callable[[Ending], T]) -> Future[T]:
        """Queue one program; the future gives ``judge(ending)``, called in a feeding thread.

        Raises:
            RuntimeError: the pool is closed.
        """
        work = _Work(arguments, judge)
        with self._lock:
            if self._closing:
                raise RuntimeError("the verifier is closed")
            self._pending.add(work.future)
        work.future.add_done_callback(self._forget)
        self._queue.put(work)
        return work.future

    def close(self) -> None:
        """Cancel what waits and kill the children. Safe to call twice."""
        with self._lock:
            self._closing = True
            pending, children = list(self._pending), list(self._children)
        for future in pending:
            future.cancel()
        for child in children:
            child.stop()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _start_feeding(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._feed, name=f"verifier-{number}", daemon=True)
        thread.start()
        return thread

    def _forget(self, future: Future[T]) -> None:
        with self._lock:
            self._pending.discard(future)

    def _feed(self) -> None:
        """Run jobs until told to stop. The child is started by this thread, so that it dies with it."""
        child: Member | None = None
        while (work := self._queue.get()) is not None:
            if not work.future.set_running_or_notify_cancel():
                continue
            try:
                child, ending = self._run(child, work.arguments)
                work.future.set_result(work.judge(ending))
            except BaseException as error:
                work.future.set_exception(error)
        if child is not None:
            self._end(child)

    def _run(self, child: Member | None, arguments: list[str]) -> tuple[Member | None, Ending]:
        with self._turns.beside_others():
            child, ending = self._try(child, arguments)
        for _ in range(RETRIES):
            if ending.kind in ("lost", "hung"):
                with self._turns.alone():
                    child, ending = self._try(child, arguments)
        return child, replace(ending, kind="timeout") if ending.kind == "hung" else ending

    def _try(self, child: Member | None, arguments: list[str]) -> tuple[Member | None, Ending]:
        try:
            child = child or self._begin()
        except StartFailed as error:
            return None, Ending("lost", detail=f"no process to run it: {error}")
        ending = run_once(child, arguments, next(self._ids))
        if child.is_spent or ending.kind != "answer":
            self._end(child)
            return None, ending
        return child, ending

    def _begin(self) -> Member:
        with self._lock:
            if self._closing:
                raise StartFailed("the verifier is closed")
        child = self._start(self._settings)
        with self._lock:
            self._children.add(child)
            closing = self._closing
        if closing or child.isolation != self.isolation:
            self._end(child)
            raise StartFailed("the verifier is closed" if closing else f"its isolation is only {child.isolation}")
        return child

    def _end(self, child: Member) -> None:
        child.kill()
        with self._lock:
            self._children.discard(child)


def run_once(child: Member, arguments: list[str], job_id: int) -> Ending:
    """Run one program in ``child`` and return how it ended. After any ending but "answer" the child is unusable."""
    started = time.monotonic()
    try:
        return _ending(child.ask(arguments, job_id), job_id, child.settings.memory_mb)
    except FrameTimeout:
        return _overran(child, time.monotonic() - started)
    except (FrameError, OSError) as error:
        return _died(child, str(error), time.monotonic() - started)
    except (KeyError, TypeError, ValueError) as error:
        return Ending("lost", detail=f"an invalid answer: {error!r}", seconds=time.monotonic() - started)


def _ending(answer: dict[str, Any], job_id: int, memory_mb: int) -> Ending:
    seconds = float(answer["seconds"])
    if answer["id"] != job_id:
        return Ending("lost", detail="the child answered another job", seconds=seconds)
    if answer["status"] == "memory":
        return Ending("memory", detail=f"more than {memory_mb} MB", seconds=seconds)
    if answer["status"] == "crashed":
        return Ending("crashed", detail=str(answer["detail"]), seconds=seconds)
    if answer["status"] != "done":
        return Ending("lost", detail=str(answer["detail"]), seconds=seconds)
    return Ending("answer", tuple(answer["fields"]), seconds=seconds)


def _overran(child: Member, seconds: float) -> Ending:
    """It was waited for as long as ``Patience`` says."""
    look = child.look()
    child.kill()
    limits = child.settings
    if look is not None and look.cpu_s > limits.cpu_s:
        return Ending("timeout", detail=f"more than {limits.cpu_s:g} s of CPU time", seconds=seconds)
    if look is not None and look.wants_cpu:
        detail = f"the machine gave it {look.cpu_s:.2f} s of CPU in {seconds:.1f} s"
        return Ending("lost", detail=detail, seconds=seconds)
    return Ending("hung", detail=f"more than {limits.timeout_s:g} s without wanting the CPU", seconds=seconds)


def _died(child: Member, why: str, seconds: float) -> Ending:
    """The pipe broke: find the cause in the exit status."""
    number = child.death_signal()
    if number in (signal.SIGPROF, signal.SIGXCPU):
        return Ending("timeout", detail=f"more than {child.settings.cpu_s:g} s of CPU time", seconds=seconds)
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS):
        return Ending("crashed", detail=f"its process died of {end_by_signal(number)}", seconds=seconds)
    if number is not None:
        return Ending("lost", detail=f"its process was ended by {end_by_signal(number)} from outside", seconds=seconds)
    return Ending("lost", detail=f"its process ended ({why}) {child.last_words()}".strip(), seconds=seconds)


def probe(settings: Any, start: Callable[[Any], Member] = Child) -> tuple[str, str, str]:
    """Start one child, query its isolation, end it; return (isolation, reason, name and version of its runtime).

    Raises:
        Refusal: no child starts.
    """
    try:
        child = start(settings)
    except StartFailed as error:
        raise Refusal(
            f"No verifier process starts: {error}.",
            "Check that the language's library (lupa, pluau, luau-web) is installed here, or that the engine starts.",
        ) from None
    child.kill()
    return child.isolation, child.isolation_reason, child.runtime
