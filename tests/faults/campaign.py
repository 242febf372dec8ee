"""The campaign: run after run from gate A to E, each struck again and again, until every fault of the plan has struck."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from env.locking import holder
from runner.runs.folder import Run
from tests.faults.comparison import concluded_gates, differing_bytes, journal, lost_units, steps_again, stored_units
from tests.faults.flushes import unflushed
from tests.faults.order import HOOK, ORDER_VARIABLE, TRACE_VARIABLE, Order
from tests.faults.plan import Injection, Kind, Survey, draw, quotas
from tests.faults.verdict import faults_of
from tests.support.runs import PROJECT, environment, heed_signals, is_alive, only_run

GATES = "abcde"
# Every mechanism of a real run at the smallest size: several chunks an arm, several saves, accumulation, dropout.
PROFILES = {"luanti": ("profile=smoke",), "roblox": ("profile=tiny_roblox", "size=smoke")}
OVERRIDES = (
    "model.processes=1",
    "dataset.dev_tasks=6",
    "dataset.test_tasks=6",
    "dataset.rows=32",
    "sampling.max_new_tokens=64",
    "sampling.samples_per_call=10",
    "verifier.workers=1",
    "rule.resamples=1000",
    "gate.c.lora.dropout=0.1",
    "gate.c.train.batch_size=4",
    "gate.c.train.grad_accum=2",
    "gate.c.train.warmup_steps=1",
    "gate.c.train.max_steps=6",
    "gate.c.train.checkpoint_every=2",
    "gate.d.scales=[1.0]",
)
PATIENCE_S = 900.0
# A fault whose call a resumed gate no longer makes is drawn again in the next run; a campaign ends after this many.
MISSES = 100


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that struck: what was lost by it, and what was wrong with how the run took it."""

    injection: Injection
    lost: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run from A to E: its strikes, and how it differs from the undisturbed one.

    Attributes:
        resumes: of each gate, its sessions beyond the first.
        repeated: training steps done more than once.
        differing: result -> differing bytes.
    """

    strikes: tuple[Strike, ...]
    resumes: dict[str, int]
    repeated: int
    differing: dict[str, int]
    problems: tuple[str, ...]


@dataclass
class Campaign:
    """A plan being carried out. ``folder`` holds the undisturbed run and the struck ones, all of one ``domain``."""

    folder: Path
    domain: str
    seed: int
    left: dict[str, list[Kind]]
    tell: Callable[[Strike], None]
    surveys: dict[str, Survey] = field(default_factory=dict)
    misses: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def overrides(self) -> tuple[str, ...]:
        """What its runs are made with."""
        return (*PROFILES[self.domain], *OVERRIDES)

    @property
    def reference(self) -> Path:
        """The folder of the undisturbed run."""
        return only_run(self.folder / "undisturbed")


def carry_out(
    folder: Path,
    domain: str,
    count: int,
    gates: str,
    kinds: Sequence[Kind],
    seed: int,
    jobs: int,
    tell: Callable[[Strike], None] = lambda _: None,
) -> list[RunResult]:
    """Strike ``count`` times, in ``jobs`` runs at a time; return the runs, the undisturbed one first.

    Each strike is told as soon as it was dealt.
    """
    campaign = Campaign(folder.resolve(), domain, seed, quotas(count, gates, kinds, random.Random(seed)), tell)
    undisturbed = survey_undisturbed(campaign)
    with ThreadPoolExecutor(jobs) as pool:
        batches = pool.map(lambda job: list(_runs(campaign, job)), range(jobs))
        return [undisturbed, *(result for batch in batches for result in batch)]


def survey_undisturbed(campaign: Campaign) -> RunResult:
    """Do the undisturbed run, and note the file calls and the time of each gate; a missing flush is a problem."""
    problems = []
    results = campaign.folder / "undisturbed"
    _runner(results, "new", *campaign.overrides)
    for gate in GATES:
        trace = campaign.folder / f"trace_{gate}"
        began_s = time.monotonic()
        process = _start(results, gate, {TRACE_VARIABLE: str(trace)})
        output = process.communicate(timeout=PATIENCE_S)[0]
        if process.returncode not in (0, 3):
            raise RuntimeError(f"the undisturbed run ended with {process.returncode} at gate {gate}:\n{output}")
        calls = [line.split("\t") for line in trace.read_text(encoding="utf-8").splitlines()]
        known = tuple((caller, call, path) for caller, call, path in calls)
        campaign.surveys[gate] = Survey(known, time.monotonic() - began_s)
        problems += [f"gate {gate.upper()}: {path} was not flushed before its event" for path in unflushed(known)]
    return RunResult((), dict.fromkeys(GATES, 0), 0, {}, tuple(problems))


def _runs(campaign: Campaign, job: int) -> Iterator[RunResult]:
    number = 0
    while True:
        with campaign.lock:
            if not any(campaign.left.values()) or campaign.misses > MISSES:
                return
        number += 1
        chance = random.Random(f"{campaign.seed} {job} {number}")
        yield _one_run(campaign, campaign.folder / f"job{job}_run{number}", chance)


def _one_run(campaign: Campaign, results: Path, chance: random.Random) -> RunResult:
    """Take one run from A to E through as many of the faults that are left as it lasts for."""
    _runner(results, "new", *campaign.overrides)
    strikes: list[Strike] = []
    problems: list[str] = []
    for gate in GATES:
        strikes += _strike_gate(campaign, results, gate, chance)
        before = stored_units(only_run(results))
        process = _start(results, gate, {})
        output = process.communicate(timeout=PATIENCE_S)[0]
        after = stored_units(only_run(results))
        problems += [f"{results.name}: {name} was lost on resuming" for name in lost_units(before, after)]
        if gate not in concluded_gates(only_run(results)):
            problems.append(
                f"{results.name}: gate {gate.upper()} did not conclude ({process.returncode}): {output[-2000:]}"
            )
            break
    folder = only_run(results)
    differing = differing_bytes(folder, campaign.reference)
    started = [event["gate"] for event in journal(folder) if event["type"] == "gate_started"]
    resumes = {gate: started.count(gate) - 1 for gate in GATES}
    result = RunResult(tuple(strikes), resumes, steps_again(folder), differing, tuple(problems))
    if not (problems or differing or any(strike.problems or strike.lost for strike in strikes)):
        shutil.rmtree(results)
    return result


def _strike_gate(campaign: Campaign, results: Path, gate: str, chance: random.Random) -> Iterator[Strike]:
    """Strike one gate until it concludes or no fault is left for it, early calls first."""
    with campaign.lock:
        mine = campaign.left.get(gate, [])[:]
        campaign.left.get(gate, []).clear()
    plan = sorted((draw(kind, gate, campaign.surveys[gate], chance) for kind in mine), key=lambda found: found.when)
    while plan and gate not in concluded_gates(only_run(results)):
        injection = plan.pop(0)
        strike = inject(campaign, results, injection)
        if strike is None:
            plan.append(injection)
            with campaign.lock:
                campaign.misses += 1
            break
        campaign.tell(strike)
        yield strike
    with campaign.lock:
        campaign.left.setdefault(gate, []).extend(injection.kind for injection in plan)


def inject(campaign: Campaign, results: Path, injection: Injection) -> Strike | None:
    """Advance through the injection's gate while the fault strikes; None when it ended before it could."""
    folder = only_run(results)
    before = stored_units(folder)
    fired, state = (results.with_name(f"{results.name}.{word}") for word in ("fired", "disk"))
    fired.unlink(missing_ok=True)
    extra = {}
    if injection.point is not None and injection.act is not None:
        room = random.Random(str(injection)).choice((0, 0, 700))
        extra[ORDER_VARIABLE] = Order(injection.point, injection.act, results, fired, state, room).to_text()
    process = _start(results, injection.gate, extra)
    if not extra:
        _strike_at_instant(process, injection, campaign.surveys[injection.gate].seconds, fired)
    output = process.communicate(timeout=PATIENCE_S)[0]
    _wait_for_silence(folder, fired)
    for stash in results.parent.glob(f"{results.name}.stash-*"):
        shutil.rmtree(stash)
    if not fired.exists():
        return None
    status = _runner(results, "status") if injection.kind in (Kind.FILL_DISK, Kind.MAKE_READ_ONLY) else ""
    state.unlink(missing_ok=True)
    after = stored_units(folder)
    Run.open(folder)
    problems = faults_of(injection, process.returncode, output, status, folder)
    return Strike(injection, tuple(lost_units(before, after)), tuple(problems))


def _strike_at_instant(process: subprocess.Popen[str], injection: Injection, seconds: float, fired: Path) -> None:
    """Send the signal after a part of the time that the undisturbed gate took, where there is still a process."""
    try:
        process.wait(timeout=injection.when * seconds)
        return
    except subprocess.TimeoutExpired:
        pass
    workers = _children(process.pid)
    if injection.kind is Kind.KILL_WORKER and not workers:
        return
    targets = {
        Kind.KILL_WORKER: workers,
        Kind.KILL_BOTH: [*workers, process.pid],
    }.get(injection.kind, [process.pid])
    fired.write_text(f"{workers[0] if workers else process.pid}\n", encoding="utf-8")
    for pid in targets:
        os.kill(pid, injection.signal)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []


def _wait_for_silence(folder: Path, fired: Path) -> None:
    """Wait until no process of the run is left: the lock is free, and the one that was struck is dead."""
    struck = int(fired.read_text(encoding="utf-8")) if fired.exists() else 0
    until = time.monotonic() + PATIENCE_S
    while (struck and is_alive(struck)) or holder(folder / "run.lock") is not None:
        if time.monotonic() > until:
            raise RuntimeError(f"{folder}: processes of the run outlived the fault")
        time.sleep(0.02)


def _start(results: Path, gate: str, extra: dict[str, str]) -> subprocess.Popen[str]:
    path = os.pathsep.join((str(HOOK), str(PROJECT)))
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "advance", "--to", gate.upper()],
        cwd=PROJECT,
        env={**environment(results), "PYTHONPATH": path, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,
    )


def _runner(results: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=PROJECT,
        env=environment(results),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout + done.stderr
