"""The status of a run, and the list of runs: what each gate came to, what is safe, what to type next."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from env.locking import RunLock
from runner.runs.folder import Run
from runner.runs.journal import EventType
from runner.screens import ink, status
from runner.screens.outcome import outcome_lines
from runner.views.folder_facts import safe_work
from runner.views.run_view import GateState, view_run
from tests.support.run_edits import edit_json, record_crash, record_start
from tests.support.run_factory import make_run
from tests.support.runs import PROJECT
from tests.support.screen_views import ADVANCE, in_training, pulse, report_of, running_view, text_of
from tests.support.story import Story

pytestmark = pytest.mark.usefixtures("usual_results")


def test_the_status_names_all_gates_and_the_next_command(finished: Run) -> None:
    text = status.status_text(view_run(finished))
    for name in ("A environment", "B baseline", "C training", "D sweep", "E decision"):
        assert f"✓ {name}" in text
    assert "next:  python -m runner report" in text


def test_no_status_line_is_wider_than_80_columns_but_for_a_command_that_must_be_copied_whole(
    finished: Run, tmp_path: Path
) -> None:
    for view in (view_run(finished), view_run(in_training(tmp_path))):
        for text in status.status_text(view, 80).splitlines():
            assert ink.columns(text) <= 80 or text.endswith(view.next_command)


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


def test_a_gate_that_said_no_says_why_and_names_retry(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gain=-0.12, base_rate=0.3, test_tasks=60))
    text = status.status_text(view_run(run))
    assert "✗ E decision    said no" in text
    assert "why:   " in text
    assert "gate_e/report.json" in text
    assert "python -m runner report" in text


def test_an_inconclusive_decision_has_a_mark_a_word_and_a_colour_of_its_own_on_every_screen(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gain=0.0))
    view = view_run(run)
    assert "≈ E decision    inconclusive" in status.status_text(view)
    assert "python -m runner report" in status.status_text(view)
    [row] = [line for line in status.runs_lines([view]) if view.id in line.text]
    assert ("≈", "unsure") in row.spans
    [ended, *_] = outcome_lines(report_of(run, "e"), "python -m runner report")
    assert ended.spans[0] == ("≈", "unsure")
    assert [state for state, (mark, _, style) in status.STATES.items() if mark == "≈" or style == "unsure"] == [
        "inconclusive"
    ]


def test_a_smoke_run_says_above_its_gates_that_it_decides_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gates="a"))
    assert "smoke run" not in status.status_text(view_run(run))
    config = run.file("config.yaml")
    config.write_text(config.read_text(encoding="utf-8") + "smoke: true\n", encoding="utf-8")
    assert "smoke run: shows that every part works together; decides nothing" in status.status_text(view_run(run))


def test_a_running_gate_shows_what_is_left_and_its_pulse(tmp_path: Path) -> None:
    view = running_view(in_training(tmp_path), pulse(gate="c", eta_s=8820.0), 2.2)
    text = " ".join(status.status_text(view).split())
    assert "training 85/120 steps loss 0.912 2 h 27 left" in text
    assert "worker pid 17146, heartbeat 2 s ago · checkpoint 40 is safe" in text
    assert "watch: python -m runner status --watch" in text


def test_a_silent_worker_is_called_silent(tmp_path: Path) -> None:
    view = running_view(in_training(tmp_path), pulse(gate="c"), 200.0)
    assert "silent for 3 min" in status.status_text(view)


def test_a_held_run_with_an_unreadable_report_still_has_a_status(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gates="a"))
    edit_json(run.gate_folder("a") / "report.json", lambda data: data.clear())
    with RunLock(run.file("run.lock")):
        record_start(run, "b")
        (run.folder / "heartbeat.json").write_text(json.dumps({"pid": 1}))
        text = status.status_text(view_run(run))
    assert "▶ B baseline    running" in text
    assert "no heartbeat yet" in text


def test_the_time_of_a_gate_counts_its_earlier_sessions(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gates="ab"))
    run.record(EventType.GATE_STARTED, "c", attempt=1, first_started_at="", elapsed_before_s=3600.0)
    run.file("heartbeat.json").write_text(json.dumps(asdict(pulse(gate="c", elapsed_s=25.0))))
    [training] = [gate for gate in view_run(run).gates if gate.gate == "c"]
    assert training.seconds == 3625.0


@pytest.mark.parametrize(("host", "restarted"), [(socket.gethostname(), True), ("another.example", False)])
def test_another_machines_boot_is_no_restart_of_this_one(tmp_path: Path, host: str, restarted: bool) -> None:
    run = in_training(tmp_path)
    run.file("heartbeat.json").write_text(json.dumps(asdict(pulse(gate="c", host=host, clock="monotonic@earlier"))))
    assert view_run(run).restarted is restarted


def test_the_runs_list_is_two_lines_a_run_on_80_columns(finished: Run, tmp_path: Path) -> None:
    other = in_training(tmp_path)
    lines = text_of(status.runs_lines([view_run(finished), view_run(other)], current=other.id)).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(f"  {finished.id}  ✓✓✓✓✓")
    assert lines[0].endswith("…")
    assert lines[1] == "    base-2m · luanti_mini · tiny"
    assert lines[2].startswith(f"● {other.id}  ✓✓")
    assert max(map(ink.columns, lines)) <= 80


def test_without_runs_the_list_names_the_first_command() -> None:
    assert ADVANCE in text_of(status.runs_lines([]))


def test_status_screens_import_neither_rich_nor_torch_nor_hydra(finished: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from runner.runs.folder import Run; from runner.views.run_view import view_run\n"
        "from runner import screens; screens.print_status(view_run(Run.open(Path(sys.argv[1]))))\n"
        "heavy = {'rich', 'torch', 'hydra', 'numpy', 'pydantic', 'jinja2'} & {name.split('.')[0] for name in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished.folder)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
