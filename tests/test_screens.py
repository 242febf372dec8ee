"""What a person sees in a terminal: words, marks, widths, colours, and what a pipe gets."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from run_factory import Story, edit_json, make_run, record_crash

from env.checks import block, fact, ok, warn
from env.heartbeat import Pulse
from env.locking import RunLock
from env.refusal import Refusal
from gates.report import GateReport, read_report
from runner.failure import Failure
from runner.freshness import Freshness
from runner.journal import EventType
from runner.run import Run
from runner.screens import checks, ink, live, notices, outcome, status, watching
from runner.screens.glance import safe_work
from runner.screens.wording import clock_text, countdown_text, duration_text, rate_text
from runner.view import GateState, RunView, view_run

PROJECT = Path(__file__).resolve().parent.parent
ADVANCE = "python -m runner advance"


@pytest.fixture(autouse=True)
def usual_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a test's own runs those that a command without --run speaks of."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(tmp_path))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("results"), Story(contaminated=12, waiver="kept to compare"))


def report_of(run: Run, gate: str) -> GateReport:
    report = read_report(run.gate_folder(gate) / "report.json")
    assert report is not None
    return report


def text_of(lines: list[ink.Line], width: int | None = 80) -> str:
    return "\n".join(ink.rendered(lines, ink.Paper(width)))


def in_training(results: Path) -> Run:
    """A run whose Gate C has begun and left a finished and a torn checkpoint."""
    run = make_run(results, Story(gates="ab"))
    run.record(
        EventType.GATE_STARTED, "c", attempt=1, first_started_at="2026-11-20T10:00:00+00:00", elapsed_before_s=0.0
    )
    for step, done in ((40, True), (80, False)):
        folder = run.gate_folder("c") / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        if done:
            (folder / "CHECKPOINT.json").write_text("{}")
    return run


def pulse(**changes: object) -> Pulse:
    base = Pulse(
        17146, "h", "b", "base on dev", 100, 300, "samples", 24.2, 8.3, 1203.4, "", 0.0, 1.0, "", 5.0, rate_over_s=60.0
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_the_status_names_all_gates_and_the_next_command(finished: Run) -> None:
    text = status.status_text(view_run(finished))
    for name in ("A environment", "B baseline", "C training", "D sweep", "E decision"):
        assert f"✓ {name}" in text
    assert "next:  python -m runner report" in text


def test_no_status_line_is_wider_than_80_columns(finished: Run, tmp_path: Path) -> None:
    for view in (view_run(finished), view_run(in_training(tmp_path))):
        assert max(map(ink.columns, status.status_text(view, 80).splitlines())) <= 80


@pytest.mark.parametrize(
    ("state", "mark", "word", "style"),
    [
        ("crashed", "✗", "crashed", "crash"),
        ("failed", "✗", "said no", "no"),
        ("interrupted", "‖", "interrupted", "odd"),
    ],
)
def test_a_crash_a_no_and_a_kill_share_neither_word_nor_colour(
    state: GateState, mark: str, word: str, style: str
) -> None:
    assert status.STATES[state] == (mark, word, style)
    others = [value[1:] for key, value in status.STATES.items() if key != state]
    assert word not in [other[0] for other in others]


def test_red_is_a_crash_alone() -> None:
    assert [state for state, (_, _, style) in status.STATES.items() if "31" in ink.STYLES[style]] == ["crashed"]


def test_a_crash_says_where_what_is_safe_and_what_to_type(tmp_path: Path) -> None:
    run = in_training(tmp_path)
    record_crash(
        run, "c", kind="crash", sentence="OutOfMemoryError: tried 1.20 GiB", fix="", where="training/backends/x.py:212"
    )
    text = status.status_text(view_run(Run.open(run.folder)))
    for line in (
        "where: training/backends/x.py:212",
        "trace: logs/gate_c.log",
        "safe:  checkpoint step-000040",
        f"next:  {ADVANCE}   resumes at step 40",
    ):
        assert line in text


def test_a_refusal_in_a_worker_shows_its_fix_and_no_trace(tmp_path: Path) -> None:
    run = in_training(tmp_path)
    record_crash(run, "c", kind="refusal", sentence="No such model.", fix="Give model.path.", where="")
    text = status.status_text(view_run(Run.open(run.folder)))
    assert "fix:   Give model.path." in text
    assert "trace" not in text


def test_a_killed_run_is_interrupted_not_crashed(tmp_path: Path) -> None:
    text = status.status_text(view_run(in_training(tmp_path)))
    assert "‖ C training    interrupted" in text
    assert "crashed" not in text
    assert f"next:  {ADVANCE}   resumes at step 40" in text


def test_a_checkpoint_without_its_mark_is_not_safe(tmp_path: Path) -> None:
    assert safe_work(in_training(tmp_path).folder, "c") == "checkpoint step-000040"


def test_a_gate_that_said_no_tells_why_and_names_retry(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gain=0.0))
    text = status.status_text(view_run(run))
    assert "✗ E decision    said no" in text
    assert "why:   " in text
    assert "gate_e/report.json" in text
    assert "python -m runner report" in text


def running_view(run: Run, now: Pulse, age_s: float) -> RunView:
    view = view_run(run)
    gates = [
        replace(g, state="running", text="training 85/120 steps  loss 0.912") if g.gate == "c" else g
        for g in view.gates
    ]
    command = "python -m runner status --watch"
    return replace(view, gates=tuple(gates), running=True, pulse=now, pulse_age_s=age_s, next_command=command)


def test_a_running_gate_shows_what_is_left_and_its_pulse(tmp_path: Path) -> None:
    view = running_view(in_training(tmp_path), pulse(gate="c", eta_s=8820.0), 2.2)
    text = " ".join(status.status_text(view).split())
    assert "training 85/120 steps loss 0.912 2 h 27 left" in text
    assert "worker pid 17146, pulse 2 s ago · checkpoint 40 is safe" in text
    assert "watch: python -m runner status --watch" in text


def test_a_silent_worker_is_called_silent(tmp_path: Path) -> None:
    view = running_view(in_training(tmp_path), pulse(gate="c"), 200.0)
    assert "silent for 3 min" in status.status_text(view)


def test_the_runs_list_is_one_line_a_run_on_80_columns(finished: Run, tmp_path: Path) -> None:
    lines = text_of(status.runs_lines([view_run(finished), view_run(in_training(tmp_path))])).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{finished.id}  ✓✓✓✓✓")
    assert lines[0].endswith("…")
    assert max(map(ink.columns, lines)) <= 80


def test_without_runs_the_list_names_the_first_command() -> None:
    assert ADVANCE in text_of(status.runs_lines([]))


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


def test_a_miss_is_shown_with_ten_items_of_evidence_and_where_the_rest_is() -> None:
    miss = block(
        "contamination",
        "14 tasks",
        "none",
        "It has read the answers.",
        "Remove them.",
        [f"task {n}" for n in range(14)],
    )
    text = text_of(checks.check_lines(miss, "gate_a/report.json"))
    assert "task 9\n" in text
    assert "task 10" not in text
    assert "and 4 more: see gate_a/report.json" in text
    assert "fix: Remove them." in text


def test_checks_end_with_what_blocks_and_a_count() -> None:
    found = [
        block("disk", "1 GB", "2 GB", "", ""),
        fact("cpu", "2"),
        ok("python", "3.11", "3.11"),
        warn("gpu", "none", "one", ""),
    ]
    text = text_of(checks.checks_lines(found))
    assert text.index("cpu") < text.index("gpu") < text.index("disk")
    assert text.endswith("3 checks: 1 holds, 1 warns, 1 blocks; 1 fact")


def test_print_checks_takes_a_report_and_a_plain_list(finished: Run) -> None:
    report = report_of(finished, "a")
    of_report, of_list = io.StringIO(), io.StringIO()
    checks.print_checks(report, of_report)
    checks.print_checks(report.checks, of_list)
    assert "see gate_a/report.json" in of_report.getvalue()
    assert "and 2 more\n" in of_list.getvalue()


def test_a_refusal_is_its_sentence_and_its_fix() -> None:
    stream = io.StringIO()
    notices.print_refusal(Refusal("No run is called x.", "See runs."), stream)
    assert stream.getvalue() == "✗ No run is called x.\n  fix: See runs.\n"


def test_staleness_names_both_ways_out_with_the_overrides(tmp_path: Path) -> None:
    stream = io.StringIO()
    found = [Freshness("b", True), Freshness("c", False, ("gate.c.train.max_steps: 120 became 200",))]
    notices.print_staleness(tmp_path, found, ["gate.c.train.max_steps=200", "model.path=my model"], stream)
    text = stream.getvalue()
    assert "gate.c.train.max_steps: 120 became 200" in text
    assert "python -m runner new gate.c.train.max_steps=200 'model.path=my model'" in text
    assert "python -m runner rewind C gate.c.train.max_steps=200 'model.path=my model'" in text
    assert "✓ B" not in text


def test_why_says_of_fresh_gates_that_they_are_fresh(tmp_path: Path) -> None:
    stream = io.StringIO()
    notices.print_freshness(tmp_path, [Freshness("b", True)], stream)
    assert stream.getvalue() == "✓ B  of the present inputs\n"


def test_the_sweep_is_a_table_with_one_chosen_cell(finished: Run) -> None:
    text = text_of(outcome.outcome_lines(report_of(finished, "d"), ADVANCE))
    assert "x0.25         x0.50         x1.00" in text
    rows = [line for line in text.splitlines() if line.split()[0] in ("40", "80", "120")]
    assert len(rows) == 3
    assert sum("◆" in row for row in rows) == 1


def test_the_decision_shows_headline_interval_reasons_and_recommendations(tmp_path: Path) -> None:
    report = report_of(make_run(tmp_path, Story(gain=0.0)), "e")
    text = " ".join(text_of(outcome.outcome_lines(report, ADVANCE)).split())
    assert " ".join(report.headline.split()) in text
    assert "M margin" in text
    assert "1. Write more training rows for repair" in text
    for reason in report.reasons:
        assert reason in text


def test_a_report_with_a_foreign_table_still_ends_its_gate(finished: Run) -> None:
    for gate in "bde":
        broken = report_of(finished, gate).model_copy(update={"tables": {"cells": 3, "results": [], "decision": "x"}})
        assert "has no such table" in text_of(outcome.outcome_lines(broken, ADVANCE))


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def test_a_pipe_gets_a_progress_line_each_ten_seconds_and_at_each_phase() -> None:
    stream, clock = io.StringIO(), Clock()
    screen = live.PipeScreen(stream, clock, lambda: datetime(2026, 11, 20, 9, 2, 11))
    for second in range(25):
        clock.at_s = float(second)
        screen.pulse("b", pulse(done=second))
    screen.pulse("b", pulse(phase="base on test", done=0, rate=None, eta_s=None))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "2026-11-20 09:02:11  B baseline  base on dev  0/300 samples  24/s over 60 s  eta 0:08"
    assert [line.split()[7] for line in lines] == ["0/300", "10/300", "20/300", "0/300"]


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

    watching.watch_status(interrupted, io.StringIO())


MOVING = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_screens import pulse
from runner.run import Run
from runner.screens import make_screen
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


def test_status_screens_import_neither_rich_nor_torch_nor_hydra(finished: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from runner.run import Run; from runner.view import view_run\n"
        "from runner import screens; screens.print_status(view_run(Run.open(Path(sys.argv[1]))))\n"
        "heavy = {'rich', 'torch', 'hydra', 'numpy', 'pydantic', 'jinja2'} & {name.split('.')[0] for name in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished.folder)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_held_run_with_an_unreadable_report_still_has_a_status(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gates="a"))
    edit_json(run.gate_folder("a") / "report.json", lambda data: data.clear())
    with RunLock(run.file("run.lock")):
        run.record(
            EventType.GATE_STARTED, "b", attempt=1, first_started_at="2026-11-20T10:00:00+00:00", elapsed_before_s=0.0
        )
        (run.folder / "heartbeat.json").write_text(json.dumps({"pid": 1}))
        text = status.status_text(view_run(run))
    assert "▶ B baseline    running" in text
    assert "no pulse yet" in text
