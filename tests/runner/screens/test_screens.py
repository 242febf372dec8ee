"""How any screen writes: marks, colours and widths that the reader of its stream can take, numbers as people write them."""

from __future__ import annotations

import io
from datetime import datetime, timedelta

import pytest

from runner.runs.folder import Run
from runner.screens import ink, outcome, status
from runner.views.run_view import view_run
from runner.views.wording import clock_text, countdown_text, duration_text, rate_text
from tests.support.screen_views import ADVANCE, report_of, text_of

pytestmark = pytest.mark.usefixtures("usual_results")


def test_a_pipe_gets_no_escape_codes(finished: Run) -> None:
    stream = io.StringIO()
    status.print_status(view_run(finished), stream)
    assert "\x1b" not in stream.getvalue()


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_no_color_switches_colour_off_on_a_terminal(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    status.print_status(view_run(finished), coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    status.print_status(view_run(finished), plain)
    assert "\x1b[32m✓" in coloured.getvalue()
    assert "\x1b" not in plain.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_without_our_signs_gets_ascii_marks(finished: Run, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    status.print_status(view_run(finished), stream)
    for report in (report_of(finished, gate) for gate in "abcde"):
        ink.write_lines(stream, outcome.outcome_lines(report, ADVANCE))
    text = raw.getvalue().decode(encoding)
    assert "  + A environment passed" in text
    assert "?" not in text


def test_foreign_text_cannot_steer_the_terminal() -> None:
    hostile = "error \x1b[2J\x07\u202e and\nmore"
    text = text_of([ink.line(hostile)])
    assert text == "error ?[2J?? and more"


def test_a_wrapped_number_keeps_its_unit_and_its_error() -> None:
    lines = text_of([ink.line("gain is well within +4.2 pp of it")], 25).splitlines()
    assert [line for line in lines if line.startswith("pp")] == []
    lines = text_of([ink.line("pass@1 rate is now 16.7 ± 7.6")], 26).splitlines()
    assert lines == ["pass@1 rate is now", "16.7 ± 7.6"]


def test_a_command_longer_than_the_screen_stays_whole() -> None:
    command = "python-m-runner-" + "x" * 60
    assert command in text_of([ink.line("next: ", command, hang=6)], 40)


@pytest.mark.parametrize("width", [30, 60, 80, 100])
def test_a_command_is_never_broken_and_shares_no_broken_line_with_prose(width: int) -> None:
    command = "python -m runner rewind C gate.c.train.max_steps=200"
    lines = text_of(
        [ink.line("   or: ", (command, "command"), ("   repeats C; keeps the old one", "dim"), hang=7)], width
    )
    assert lines.splitlines()[0] in (f"   or: {command}", f"   or: {command}   repeats C; keeps the old one")
    prose = f"Restore the files, or `{command}` which does the gate again and keeps what is there."
    lines = text_of([ink.line("  fix: ", prose, hang=7)], width)
    assert f"       `{command}`" in lines.splitlines()


def test_durations_and_times_read_as_people_write_them() -> None:
    assert [duration_text(s) for s in (0.42, 11.2, 2280, 11520, 183600)] == [
        "0.4 s",
        "11 s",
        "38 min",
        "3 h 12",
        "2 d 03",
    ]
    assert duration_text(None) == ""
    assert [countdown_text(s) for s in (32, 1625, 8825)] == ["0:32", "27:05", "2:27:05"]
    assert [rate_text(r) for r in (24.2, 2.31, 0.5, 0.004)] == ["24/s", "2.3/s", "30/min", "14/h"]
    now = datetime(2026, 11, 20, 16, 0).astimezone()
    morning = now.replace(hour=9, minute=2)
    assert clock_text(morning.isoformat(), now) == "Fri 09:02"
    assert clock_text((morning - timedelta(days=8)).isoformat(), now) == "2026-11-12"
    assert clock_text("no time", now) == ""
