"""What is written while gates run: timed lines into a pipe, one moving line on a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from env.heartbeat import ALIVE_INTERVAL_S
from runner.advance.failure import Failure
from runner.runs.folder import Run
from runner.screens import live, watching
from runner.validity.freshness import Freshness
from runner.views.run_view import RunView, view_run
from tests.support.runs import PROJECT
from tests.support.screen_views import in_training, pulse, report_of, running_view

pytestmark = pytest.mark.usefixtures("usual_results")


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def test_a_pipe_gets_a_progress_line_within_ten_seconds_and_at_each_phase() -> None:
    stream, clock = io.StringIO(), Clock()
    screen = live.PipeScreen(stream, clock, lambda: datetime(2026, 11, 20, 9, 2, 11))
    for second in range(25):
        clock.at_s = float(second)
        screen.pulse("b", pulse(done=second))
    screen.pulse("b", pulse(phase="base on test", done=0, rate=None, eta_s=None))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "2026-11-20 09:02:11  B baseline  base on dev  0/300 samples  24/s over 60 s  eta 0:08"
    assert [line.split()[7] for line in lines] == ["0/300", "6/300", "12/300", "18/300", "24/300", "0/300"]


@pytest.mark.parametrize("early_s", [0.1, 1.4, 3.4, 3.9])
def test_however_the_pulses_fall_no_silence_lasts_ten_seconds(early_s: float) -> None:
    stream, clock = io.StringIO(), Clock()
    screen = live.PipeScreen(stream, clock, lambda: datetime(2026, 11, 20, 9, 2, 11))
    written, told_s = 0, [0.0]
    pulses_s = [0.0, early_s, *(early_s + ALIVE_INTERVAL_S * number for number in range(1, 12))]
    for at_s in pulses_s:
        clock.at_s = at_s
        screen.pulse("a", pulse(phase="model", done=0, total=0))
        if len(stream.getvalue()) > written:
            written, told_s = len(stream.getvalue()), [*told_s, at_s]
    assert max(after - before for before, after in pairwise(told_s)) < 10


def test_tokens_inside_a_call_show_the_pace_before_a_sample_is_stored() -> None:
    generating = pulse(done=0, rate=0.0, eta_s=400.0, tokens=41_200, tokens_per_s=310.0, rate_over_s=60.0)
    assert live.tail_text(generating) == "0/300 samples  41,200 tokens, 310/s over 60 s  eta 6:40"
    # the count stands still for longer than a screen waits; the tokens do not
    idle = replace(generating, idle_s=1.0, phase_s=900.0)
    assert "nothing counted" not in live.tail_text(idle)


@pytest.mark.parametrize(
    ("gate", "now", "after", "lost"),
    [
        ("b", {"tokens": 900, "tokens_unstored": 620, "tokens_per_s": 310.0}, "decoding step; every", "620 tokens"),
        ("c", {"unit": "steps", "done": 57, "rate": 0.1}, "training step (about 10 s); a", "training steps 41 to 57"),
        ("b", {"total": 0, "phase": "loading model"}, "after loading model; nothing", ""),
    ],
)
def test_a_stop_says_what_it_waits_for_and_what_a_second_one_would_lose(
    gate: str, now: dict[str, Any], after: str, lost: str, tmp_path: Path
) -> None:
    stream, run = io.StringIO(), in_training(tmp_path)
    live.PipeScreen(stream).gate_stopping(run, gate, pulse(gate=gate, **now))
    assert "stopping" in stream.getvalue()
    assert after in stream.getvalue()
    assert (f"stops at once and loses {lost}" in stream.getvalue()) == bool(lost)


def test_every_line_an_advance_writes_to_a_pipe_has_its_time(finished: Run) -> None:
    stream = io.StringIO()
    screen = live.PipeScreen(stream, now=lambda: datetime(2026, 11, 20, 9, 2, 11))
    screen.opened(finished)
    screen.gate_started(finished, "b", False)
    screen.gate_ended(finished, report_of(finished, "d"))
    screen.gate_crashed(finished, "c", Failure("crash", "ValueError: x", where="a.py:1"))
    screen.gate_stopped(finished, "d")
    screen.stale(finished, [Freshness("c", False, ("seed: 1 became 2",))])
    screen.finished(finished)
    lines = stream.getvalue().splitlines()
    assert len(lines) > 15
    assert all(line.startswith("2026-11-20 09:02:11  ") for line in lines)


def test_a_reader_that_goes_away_does_not_end_an_advance(finished: Run) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"nobody reads this")
    with os.fdopen(writing, "w") as stream:
        live.PipeScreen(stream).opened(finished)
        live.PipeScreen(stream).finished(finished)


def test_watching_in_a_pipe_writes_once_per_change_and_ends_with_the_run(finished: Run, tmp_path: Path) -> None:
    training = in_training(tmp_path)
    views = [running_view(training, pulse(gate="c"), 1.0)] * 3 + [view_run(finished)]
    stream = io.StringIO()
    watching.watch_status(lambda: views.pop(0), stream, interval_s=0.0)
    assert stream.getvalue().count("A environment") == 2
    assert views == []


def test_watching_leaves_quietly_on_ctrl_c() -> None:
    def interrupted() -> RunView:
        raise KeyboardInterrupt

    stream = io.StringIO()
    watching.watch_status(interrupted, stream)
    assert stream.getvalue() == ""


MOVING = """
import sys
from pathlib import Path
from runner.runs.folder import Run
from runner.screens import make_screen
from tests.support.screen_views import pulse
run, screen = Run.open(Path(sys.argv[1])), make_screen()
for done in range(0, 301, 100):
    screen.pulse("b", pulse(done=done))
screen.gate_stopped(run, "b")
"""


def test_a_terminal_gets_one_moving_line_that_is_gone_at_the_end(finished: Run) -> None:
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-c", MOVING, str(finished.folder)], stdout=side, cwd=PROJECT, env=environment
    ) as process:
        os.close(side)
        written = b""
        while chunk := _read(main):
            written += chunk
        assert process.wait(60) == 0
    text = written.decode()
    assert "0/300 samples  24/s over 60 s" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor must come back"
    assert "stopped" in text[text.rindex("\x1b[?25h") :]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
