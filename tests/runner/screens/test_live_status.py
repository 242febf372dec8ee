"""The status of a run that runs, ran, froze or died is right from any shell, and the watched one is a living screen."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from env.heartbeat import Pulse, clock_name
from env.locking import Holder, RunLock
from env.refusal import Refusal
from runner.runs.commands import as_typed, for_run
from runner.runs.folder import Run
from runner.runs.journal import EventType
from runner.screens import ink, latest, running, watching
from runner.screens.status import status_text
from runner.views.run_view import RunView, view_run
from tests.support.run_edits import record_crash
from tests.support.run_factory import make_run
from tests.support.runs import PROJECT, environment, heed_signals
from tests.support.story import Story

NOW = datetime(2026, 11, 20, 16, 0).astimezone()


@pytest.fixture(autouse=True)
def usual_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a test's own runs those that a command without --run speaks of."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(tmp_path))


@pytest.fixture
def training(tmp_path: Path) -> Run:
    """A run whose gate C has begun, with one finished checkpoint."""
    run = make_run(tmp_path, Story(gates="ab"))
    run.record(
        EventType.GATE_STARTED, "c", attempt=1, first_started_at="2026-11-20T10:00:00+00:00", elapsed_before_s=0.0
    )
    checkpoint = run.gate_folder("c") / "checkpoints" / "step-000040"
    checkpoint.mkdir(parents=True)
    (checkpoint / "CHECKPOINT.json").write_text("{}")
    return run


@pytest.fixture
def held(training: Run) -> Iterator[Run]:
    """The same, advanced by this process."""
    with RunLock(training.file("run.lock")):
        yield training


def beat(run: Run, **changes: Any) -> Pulse:
    """Write a heartbeat as a worker of this process's session would; return it."""
    now = Pulse(
        pid=os.getpid(), host=socket.gethostname(), gate="c", phase="training", done=85, total=120, unit="steps",
        rate=0.5, eta_s=70.0, rss_mb=5210.0, message="loss 0.912", at=time.time(), ticks_s=time.monotonic(),
        clock=clock_name(), elapsed_s=600.0, phase_s=580.0, idle_s=0.4, rate_over_s=120.0, supervisor_pid=os.getpid(),
        free_gb=12.4,
    )  # fmt: skip
    now = replace(now, **changes)
    run.file("heartbeat.json").write_text(json.dumps(asdict(now)))
    return now


def text_of(run: Run) -> str:
    return " ".join(status_text(view_run(Run.open(run.folder)), 400).split())


# --- whose pulse it is, and how old


def test_a_running_gate_shows_who_works_what_is_safe_and_what_memory_is_left(held: Run) -> None:
    beat(held, gpu_busy_pct=93.0, gpu_used_gb=61.2, gpu_total_gb=139.0)
    text = text_of(held)
    assert "▶ C training running" in text
    assert "training 85/120 steps loss 0.912 70 s left" in text
    assert f"worker pid {os.getpid()}, heartbeat 0 s ago · checkpoint 40 is safe" in text
    assert "5,210 MB · 12.4 GB free · GPU 93% busy, 61.2 of 139.0 GB" in text
    assert " ! " not in text


def test_a_pulse_of_an_earlier_session_is_not_shown_as_this_ones(held: Run) -> None:
    beat(held, supervisor_pid=1)
    text = text_of(held)
    assert f"pid {os.getpid()}, no heartbeat yet, since" in text
    assert "85/120" not in text


def test_a_pulse_of_the_gate_before_is_not_shown_as_this_ones(held: Run) -> None:
    beat(held, gate="b")
    assert "no heartbeat yet" in text_of(held)


def test_a_worker_that_is_alive_and_counts_nothing_is_reported_with_since_when_and_without_a_time_left(
    held: Run,
) -> None:
    beat(held, idle_s=1800.0)
    text = text_of(held)
    assert "heartbeat 0 s ago" in text
    assert "! alive, but no progress in training since" in text
    assert "see logs/gate_c.log" in text
    assert "left" not in text


def test_a_worker_without_a_pulse_for_a_minute_is_silent_since_then(held: Run) -> None:
    beat(held, ticks_s=time.monotonic() - 300.0, at=time.time() - 300.0)
    text = text_of(held)
    assert "silent for 5 min" in text
    assert "! no heartbeat since" in text


def test_a_clock_set_back_is_named_and_no_age_is_negative(held: Run) -> None:
    beat(held, at=time.time() + 7200.0)
    view = view_run(Run.open(held.folder))
    assert view.pulse_age_s is not None
    assert 0 <= view.pulse_age_s < 60
    assert "! since that heartbeat the clock was set back by 2 h 00" in text_of(held)


def test_a_run_on_another_machine_is_reported_with_its_name_and_its_clock(training: Run) -> None:
    lock = training.file("run.lock")
    with RunLock(lock):
        there = Holder(17146, "x", "gpubox", "ann", "advance", "2026-11-20T09:02:00+00:00")
        lock.write_text(json.dumps(asdict(there)) + "\n")
        beat(training, host="gpubox", supervisor_pid=17146, pid=17150, clock="monotonic@there", at=time.time() + 90)
        text = text_of(training)
    assert "worker pid 17150 on gpubox, heartbeat 0 s ago" in text
    assert "! the clock of gpubox is 90 s ahead of this one's" in text


def test_a_supervisor_that_died_before_its_worker_is_reported(training: Run) -> None:
    lock = training.file("run.lock")
    with RunLock(lock):
        lock.write_text(
            json.dumps(asdict(Holder(2**22 + 5, "gone", socket.gethostname(), "ann", "advance", ""))) + "\n"
        )
        assert f"its supervisor, pid {2**22 + 5}, is gone" in text_of(training)


# --- what ended


def test_a_killed_run_is_interrupted_and_says_when_it_was_last_seen(training: Run) -> None:
    beat(training, at=NOW.timestamp())
    view = view_run(Run.open(training.folder))
    text = status_text(view, 200, NOW)
    assert "‖ C training    interrupted" in text
    assert "killed, power loss or out of memory; last seen Fri 16:00" in text
    assert (view.running, view.pulse, view.restarted) == (False, None, False)


def test_a_machine_that_was_restarted_is_named_as_the_reason(training: Run) -> None:
    beat(training, clock="monotonic@the-boot-before")
    assert "what: the machine restarted while it ran; last seen" in text_of(training)


def test_the_view_of_a_running_gate_is_json_with_every_field(held: Run) -> None:
    beat(held, tmux="/tmp/tmux-0/none,1,0", tmux_pane="%0")
    view = json.loads(json.dumps(asdict(view_run(Run.open(held.folder)))))
    assert view["pulse"]["idle_s"] == 0.4
    assert view["attach"] == "", "a tmux server that is gone has nothing to attach to"


# --- the last numbers


def test_the_last_losses_are_bars_between_their_lowest_and_highest(training: Run) -> None:
    lines = [json.dumps({"step": step, "loss": loss}) for step, loss in ((1, 2.0), (2, 1.5), (3, 1.0))]
    (training.gate_folder("c") / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 4, "lo')
    losses = latest.last_losses(training.folder)
    assert losses == latest.Losses(3, (2.0, 1.5, 1.0))
    assert losses.sparkline == "█▅▁"


def test_of_a_long_file_only_the_end_is_read(training: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "TAIL_BYTES", 100)
    path = training.gate_folder("c") / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(1, 1000)))
    losses = latest.last_losses(training.folder)
    assert losses is not None
    assert losses.step == 999
    assert len(losses.values) == 3, "100 bytes hold three whole lines of 29"


def test_verdicts_are_counted_by_outcome_over_the_last_samples(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gates="ab"))
    samples = [json.loads(line) for line in (run.gate_folder("b") / "samples.jsonl").read_text().splitlines()]
    found = latest.last_verdicts(run.folder, beat(run, gate="b"))
    assert found is not None
    last = [sample["verdict"]["outcome"] for sample in samples][-found.n :]
    assert dict(found.outcomes) == {name: last.count(name) for name in set(last)}
    assert latest.last_verdicts(run.folder, beat(run, gate="d", message="x1.00")) is None


def test_notices_are_the_warnings_and_errors_of_the_gates_own_log(training: Run) -> None:
    log = training.file("logs") / "gate_c.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(
        "2026-11-20T10:20:01Z INFO    luagate: gate C, attempt 1 begins\n"
        "2026-11-20T10:21:07Z WARNING transformers: a slow tokenizer\n"
        "Traceback WARNING of another shape\n"
    )
    assert latest.last_notices(training.folder, "c") == ["10:21:07 transformers: a slow tokenizer"]


def test_the_live_screen_has_bar_pace_with_its_basis_losses_and_notices(held: Run) -> None:
    beat(held)
    (held.gate_folder("c") / "metrics.jsonl").write_text('{"step": 84, "loss": 1.0}\n{"step": 85, "loss": 0.912}\n')
    lines = watching.watch_lines(view_run(Run.open(held.folder)), NOW)
    text = "\n".join(ink.rendered(lines, ink.Paper(100)))
    assert "  now       ━━━━━━━━━━━━━━━━━─────── 85/120 steps  training for 10 min" in text
    assert "  pace      30/min over 2 min · 70 s left · this phase ends about Fri 16:01" in text
    assert "  loss      0.912 at step 85  █▁  last 2 steps" in text
    assert max(map(ink.columns, text.splitlines())) <= 100


def test_a_phase_without_a_count_says_what_it_does_and_for_how_long(held: Run) -> None:
    beat(held, phase="testing the instrument", done=0, total=0, message="180 tasks", rate=None, phase_s=42.0)
    lines = running.progress_lines(view_run(Run.open(held.folder)), NOW)
    assert ink.rendered(lines, ink.Paper(None)).__next__() == "  now       testing the instrument  180 tasks  for 42 s"


# --- the watched screen on a terminal

WATCH = """
import sys
from pathlib import Path
from runner.runs.folder import Run
from runner.screens import watch_status
from runner.views.run_view import view_run
watch_status(lambda: view_run(Run.open(Path(sys.argv[1]))), interval_s=0.2)
"""


def take_terminal() -> None:
    """Heed signals and make standard input the terminal that sends them."""
    heed_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Watcher:
    """A watched status on a terminal of its own."""

    def __init__(self, run: Run) -> None:
        self.main, self.side = pty.openpty()
        self.resize(80)
        self.before = termios.tcgetattr(self.side)
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCH, str(run.folder)],
            stdin=self.side, stdout=self.side, stderr=subprocess.PIPE, cwd=PROJECT,
            env=self.variables(run),
            start_new_session=True,
            preexec_fn=take_terminal,
        )  # fmt: skip
        self.drawn = ""

    @staticmethod
    def variables(run: Run) -> dict[str, str]:
        """Return its environment, without the size of the terminal that the tests may run in."""
        inherited = environment(run.folder.parent) | {"TERM": "xterm-256color"}
        return {name: value for name, value in inherited.items() if name not in ("COLUMNS", "LINES")}

    def resize(self, columns: int) -> None:
        """Give the window another width."""
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def read_until(self, wanted: str, more_than: int = 0) -> str:
        """Return what was drawn, once ``wanted`` stands behind the first ``more_than`` characters of it."""
        until = time.monotonic() + 120
        while wanted not in self.drawn[more_than:]:
            assert time.monotonic() < until, self.drawn[more_than:]
            if select.select([self.main], [], [], 0.2)[0]:
                self.drawn += os.read(self.main, 65536).decode()
        return self.drawn

    def left(self) -> int:
        """Return its exit code, once it has left the second screen and put the terminal back as it was."""
        self.read_until("\x1b[?1049l")
        code = self.process.wait(120)
        assert termios.tcgetattr(self.side)[3] == self.before[3], "the terminal echoes again"
        return code


@pytest.fixture
def watcher(held: Run) -> Iterator[Watcher]:
    beat(held)
    watcher = Watcher(held)
    try:
        watcher.read_until("q quits")
        yield watcher
    finally:
        watcher.process.kill()
        watcher.process.wait()


def test_q_leaves_the_view_and_the_last_status_stays_on_the_first_screen(watcher: Watcher) -> None:
    os.write(watcher.main, b"q")
    assert watcher.left() == 0
    rest = watcher.read_until("watch: python -m runner status --watch")
    assert "▶ C training" in rest[rest.rindex("\x1b[?1049l") :]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_view_as_cleanly(watcher: Watcher, number: signal.Signals, code: int) -> None:
    os.kill(watcher.process.pid, number)
    assert watcher.left() == code


def test_a_window_made_wider_is_drawn_again(watcher: Watcher) -> None:
    so_far = len(watcher.drawn)
    watcher.resize(200)
    # a frame of the former width may have been on its way
    for _ in range(5):
        wide = watcher.read_until("q quits", so_far)[so_far:]
        so_far = len(watcher.drawn)
        if max(len(text) for text in wide.replace("\r", "").split("\n")) > 100:
            break
    else:
        raise AssertionError(wide)
    assert "E decision" in wide


# --- commands speak of the run they stand under


def test_the_fix_of_a_refusal_in_a_worker_names_the_run_it_is_of(training: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path, Story(gates="a"))
    fix = "Run `python -m runner rewind A`, then advance; or `python -m runner new`; see `python -m runner doctor`."
    record_crash(training, "c", kind="refusal", sentence="Gone.", fix=fix, where="")
    text = text_of(training)
    assert f"`python -m runner rewind A --run {training.id}`" in text
    assert "`python -m runner new`" in text
    assert "`python -m runner doctor`" in text
    assert for_run(Refusal("x", fix), other.folder).fix == fix, "the current run needs no name"


def test_a_run_outside_the_usual_results_gets_both_flags_where_each_belongs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "else where", Story(gates="a"))
    said = for_run(Refusal("See `python -m runner runs`.", "`nohup python -m runner advance &`"), run.folder)
    assert said.sentence == f"See `python -m runner runs --results '{tmp_path}/else where'`."
    assert said.fix == f"`nohup python -m runner advance --run '{run.folder}' &`"


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (["advance", "--run", "3f2a"], "`python -m runner status --watch --run 3f2a`"),
        (["advance", "--run=my run", "--results", "/r"], "`python -m runner status --watch --run 'my run'`"),
        (["advance", "--results=/r s"], "`python -m runner status --watch --results '/r s'`"),
        (["advance"], "`python -m runner status --watch`"),
    ],
)
def test_what_was_typed_to_name_a_run_is_typed_again_in_the_answer(argv: list[str], fix: str) -> None:
    assert as_typed(Refusal("Held.", "`python -m runner status --watch`"), argv).fix == fix


def test_a_watched_status_in_a_pipe_is_plain(held: Run) -> None:
    beat(held)
    views: list[RunView] = [view_run(Run.open(held.folder)), replace(view_run(Run.open(held.folder)), running=False)]
    stream = io.StringIO()
    watching.watch_status(lambda: views.pop(0), stream, interval_s=0.0)
    assert "\x1b" not in stream.getvalue()
    assert "worker pid" in stream.getvalue()
