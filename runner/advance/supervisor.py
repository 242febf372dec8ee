"""One supervised worker: its pulses displayed, stop requests passed on, a stall ended, its death explained."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.files import refusing
from env.heartbeat import Pulse, read_heartbeat
from env.installed.own_modules import module_command, module_environment
from env.locking import RunLock
from env.logs import log_path
from env.machine.oom import OomKills, oom_kills
from env.refusal import Refusal
from gates.settings import WatchSection
from runner.advance.lost_terminal import let_go_of_lost_streams
from runner.advance.stall_watch import StallWatch
from runner.runs.folder import Run
from runner.runs.locations import PROJECT
from runner.runs.stop_note import remove_stop_note, write_stop_note

# How often the supervisor checks its worker; the heartbeat itself is written at most once a second.
POLL_S = 0.1
# A worker that was only slow gets this long to reach a safe point before it is killed, which is safe too.
GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker ended.

    Attributes:
        returncode: its exit status; negative: the signal that killed it.
        stall: why it was ended by its supervisor; "" when it was not.
        oom_kills: processes the kernel killed for memory meanwhile, and by which counter; None when unknown.
        pulse: its last one.
    """

    returncode: int
    stall: str
    oom_kills: OomKills
    pulse: Pulse | None


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker is started for: its module with its words, where it logs, and where it writes its pulses."""

    module: str
    words: tuple[str, ...]
    log: Path
    pulses: Path


def gate_work(run: Run, gate: str) -> Work:
    """Return the work of a gate."""
    words = (str(run.folder), gate)
    return Work("runner.advance.worker", words, log_path(run.folder, gate), run.file("heartbeat.json"))


class Stop:
    """Stop requests by signal: the first is passed to the worker as SIGINT, the second kills it (which is safe)."""

    def __init__(self) -> None:
        self.number = 0
        self.at_once = False
        self.worker: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, _frame: Any) -> None:
        self.at_once, self.number = bool(self.number), number
        let_go_of_lost_streams()
        if self.worker is not None and self.worker.poll() is None:
            self.worker.send_signal(signal.SIGKILL if self.at_once else signal.SIGINT)

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells count."""
        return 128 + self.number

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP inside the block; under nohup a hang-up stays ignored."""
        hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        signals = (signal.SIGINT, signal.SIGTERM, *hang_up)
        before = {number: signal.signal(number, self) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def supervise(
    run: Run,
    work: Work,
    lock: RunLock,
    stop: Stop,
    limits: WatchSection,
    show: Callable[[Pulse], None],
    acknowledge: Callable[[Pulse | None], None],
) -> Ending:
    """Have a worker of its own do ``work`` until it ends; a request to stop is shown and noted the moment it comes.

    Raises:
        Refusal: the run's folder was moved or deleted meanwhile; the worker is dead then.
    """
    kills_before = oom_kills()
    worker = _start(work, lock)
    stop.worker = worker
    if stop.number:
        worker.send_signal(signal.SIGINT)
    watch = StallWatch(limits)
    stall = ""
    last = read_heartbeat(work.pulses)
    pulse: Pulse | None = None
    is_acknowledged = False
    try:
        while worker.poll() is None:
            if stop.number and not is_acknowledged:
                is_acknowledged = True
                write_stop_note(run.folder)
                with suppress(OSError):
                    acknowledge(pulse)
            _require_in_place(run, lock)
            told = read_heartbeat(work.pulses)
            if told is not None and told != last and told.pid == worker.pid:
                let_go_of_lost_streams()
                # a screen that fails must not end a gate
                with suppress(OSError):
                    show(told)
                watch.saw(told)
                last = pulse = told
            stall = watch.stall()
            if stall:
                _end_stalled(worker)
            else:
                time.sleep(POLL_S)
    except BaseException:
        worker.kill()
        worker.wait()
        raise
    finally:
        remove_stop_note(run.folder)
    return Ending(worker.returncode, stall, _risen(kills_before), pulse)


def _start(work: Work, lock: RunLock) -> subprocess.Popen[bytes]:
    with refusing(work.log):
        output = work.log.open("ab")
    with output:
        return subprocess.Popen(
            module_command(work.module, *work.words, ",".join(map(str, lock.descriptors))),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env={**module_environment(), "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"},
            # Both processes hold the lock: it is free only when supervisor and worker are dead.
            pass_fds=lock.descriptors,
            # Ctrl-C in the terminal reaches the supervisor alone, which signals the worker once.
            start_new_session=True,
        )


def _end_stalled(worker: subprocess.Popen[bytes]) -> None:
    """Have the worker write its threads' stacks, signal it to stop, and kill it when it does not."""
    # a process stopped by SIGSTOP would not react
    worker.send_signal(signal.SIGCONT)
    # faulthandler answers in C, however stuck the interpreter is (runner/advance/worker.py registers it)
    worker.send_signal(signal.SIGUSR1)
    time.sleep(POLL_S)
    worker.send_signal(signal.SIGINT)
    try:
        worker.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _require_in_place(run: Run, lock: RunLock) -> None:
    now = lock.moved_to()
    if now is not None:
        raise Refusal(
            f"{run.folder} was {'moved to ' + now if now else 'deleted or replaced'} while it was being advanced.",
            f"`python -m runner advance --run {now}` continues there; what is at the old path is not a run."
            if now
            else "Restore it, or start again with `python -m runner new`.",
        )


def _risen(before: OomKills) -> OomKills:
    after = oom_kills()
    if before.count is None or after.count is None:
        return OomKills(None)
    return OomKills(max(0, after.count - before.count), after.counter)
