"""Verifiers: the protocol and settings that all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, Self

from env.refusal import BadSettings, Refusal
from eval.pipeline.language import Language
from eval.records import Task, TaskCheck, Verdict


@dataclass(frozen=True, slots=True)
class Job:
    """One program to verify and the checks it must pass, in order.

    ``mod_name`` is what it runs as, where its domain names that; "" leaves it to the program's own names. ``worlds``
    are those of its task: it passes when it passes in each.
    """

    code: str
    checks: tuple[TaskCheck, ...] = ()
    mod_name: str = ""
    worlds: tuple[str, ...] = ()


# What the limits may be: below, no program is judged; above, one that never ends, or a machine that swaps.
_BOUNDS = {
    "workers": (0, 1024),
    "timeout_s": (0.1, 3600),
    "cpu_s": (0.1, 3600),
    "memory_mb": (4, 65536),
    "output_kb": (1, 1 << 20),
    "code_kb": (1, 1 << 20),
    "recycle_after": (1, 1_000_000),
}


@dataclass(frozen=True, slots=True)
class VerifierSettings:
    """Which verifier, how many processes, and the limits of one program. Raises BadSettings on a value out of bounds.

    Attributes:
        name: one of the domain's verifiers; "auto" takes the most faithful one that is installed.
        engine: the engine to use: a server's program, or the folder of a system, a prefix or a build; "" is the one
            that $LUAGATE_ENGINE names, else the one installed.
        workers: child processes; 0 is one for each CPU this process may use.
        timeout_s: wall time; a program that got no CPU time in it is missing data, not a timeout.
        cpu_s: CPU time; what decides TIMEOUT, so that a busy machine changes no outcome.
        memory_mb: Lua heap.
        output_kb: kept of what a program prints; the rest is dropped.
        code_kb: longest program that is run at all.
        recycle_after: programs a child runs before it is replaced.
        vm: what runs Lua where the verifier does: "luajit21", "lua51"; "auto" is the first of these that is installed.
        require_isolation: layers ("bwrap", "netns", "seccomp", joined by "+") without which nothing is run.
    """

    name: str
    engine: str
    workers: int
    timeout_s: float
    cpu_s: float
    memory_mb: int
    output_kb: int
    code_kb: int
    recycle_after: int
    vm: str
    require_isolation: str

    def __post_init__(self) -> None:
        problems = [
            f"verifier.{name} = {value}: must be {low:g} to {high:,}"
            for name, (low, high) in _BOUNDS.items()
            if not low <= (value := getattr(self, name)) <= high
        ]
        if problems:
            raise BadSettings("; ".join(problems) + ".")


@dataclass(frozen=True, slots=True)
class Caveat:
    """Why a verifier's verdicts need a test of their own here, and how to make it, as sentences."""

    reason: str
    fix: str


def require_own_vm(settings: VerifierSettings) -> None:
    """Raise Refusal where ``settings`` choose a VM for a verifier that comes with its own."""
    if settings.vm != "auto":
        raise Refusal(
            f"verifier.vm = {settings.vm!r}: the verifier {settings.name} runs programs in a VM of its own.",
            "Set verifier.vm=auto.",
        )


class Verifier(Protocol):
    """Verifies programs in its own processes. A context manager; closing it leaves no process and no file.

    ``choice`` says why it is this verifier: "requested by name", or what ``name="auto"`` found. ``language`` is what
    its programs are written in: extraction follows it. ``caveat`` is None unless its version is untested.
    """

    choice: str
    caveat: Caveat | None
    name: str
    language: Language
    isolation: str
    isolation_reason: str

    def submit(self, job: Job) -> Future[Verdict]:
        """Queue ``job``. Raises Refusal for a check this verifier cannot run."""
        ...

    def supports(self, check: TaskCheck) -> bool:
        """Whether this verifier can run ``check``."""
        ...

    def close(self) -> None:
        """Cancel what waits and end every process. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


def unsupported(verifier: Verifier, tasks: Iterable[Task]) -> list[str]:
    """Return a sentence for each task with a check that ``verifier`` cannot run; empty when all can be verified."""
    sentences = []
    for task in tasks:
        names = [check.name for check in task.checks if not verifier.supports(check)]
        if names:
            sentences.append(f"Task {task.id}: {verifier.name} cannot run its check {', '.join(map(repr, names))}.")
    return sentences
