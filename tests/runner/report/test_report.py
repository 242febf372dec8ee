"""What a report says of a run: its verdict, its tasks and gains, what is missing of it, what to do next."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runner.report import ReportData, build, to_json
from runner.report.page import figures
from runner.report.sections.next_steps import read_next_steps
from runner.runs.folder import Run
from runner.views.artifacts import read_artifacts
from runner.views.run_view import view_run
from tests.support.reports import Page, html_of, markdown_of
from tests.support.run_edits import decision_of, edit_json, record_crash, record_start
from tests.support.run_factory import make_run
from tests.support.story import Story

pytestmark = pytest.mark.usefixtures("usual_results")


def test_the_report_states_the_verdict_of_gate_e(finished: Run) -> None:
    data, decision = build(finished), decision_of(finished)
    assert data.problems == ()
    assert data.missing == ()
    assert data.verdict is not None
    assert data.verdict.word == decision["verdict"]
    assert data.verdict.gain.value == pytest.approx(100 * decision["gain"]["value"])
    assert data.verdict.lower == pytest.approx(100 * decision["gain"]["lower"])
    assert data.verdict.margin == pytest.approx(15.0)


def test_the_decision_without_contaminated_tasks_is_told(finished: Run) -> None:
    verdict = build(finished).verdict
    assert verdict is not None
    assert verdict.without_contaminated.startswith("Without the 4 contaminated tasks: ")
    assert [task.status for task in build(finished).tasks].count("CONTAMINATED") == 4
    assert "training has seen 4 in whole" in build(finished).contamination


def test_losses_stand_before_gains(finished: Run) -> None:
    gains = [task.gain for task in build(finished).tasks]
    assert gains == sorted(gains, key=lambda gain: gain or 0.0)
    assert len(gains) == 24


def test_task_counts_are_those_of_gate_e(finished: Run) -> None:
    task = build(finished).tasks[0]
    report = json.loads((finished.gate_folder("e") / "report.json").read_text())
    row = next(row for row in report["results"]["tasks"] if row["task_id"] == task.task_id)
    assert (task.base_c, task.base_n, task.cell_c, task.cell_n) == (
        row["base_c"],
        row["base_n"],
        row["cell_c"],
        row["cell_n"],
    )
    assert len(task.base_samples) + len(task.cell_samples) == row["base_n"] + row["cell_n"]


def contamination_of(task_id: str) -> dict[str, Any]:
    overlap = {
        "task_id": task_id,
        "tier": "T3",
        "part": "prompt",
        "lines": [4, 9],
        "rows": 7,
        "similarity": 0.8,
        "shared": "a lamp",
    }
    return {"counts": {}, "tasks": {task_id: {"status": "CONTAMINATED", "tier": "T3"}}, "overlaps": [overlap]}


def test_a_leaked_task_says_where_training_met_it(small_run: Run) -> None:
    leaked = build(small_run).tasks[0].task_id
    edit_json(
        small_run.gate_folder("a") / "report.json",
        lambda report: report["results"].update(contamination=contamination_of(leaked)),
    )
    task = next(task for task in build(small_run).tasks if task.task_id == leaked)
    assert task.status == "CONTAMINATED"
    assert task.seen == ("prompt nearly in training line 4, 9 and 5 more (T3): “a lamp”",)


def test_the_curve_of_pass_at_k_agrees_with_the_gates_own_metrics(finished: Run) -> None:
    data = build(finished)
    of_all = {row.metric: row for row in data.passes if row.group == "all"}
    for curve, arm in zip(data.curves, ("base", "adapter"), strict=True):
        values = [point.value or 0.0 for point in curve.points]
        assert len(values) == 6
        assert values == sorted(values)
        for k in (1, 5, 6):
            measured = getattr(of_all[f"pass@{k}"], arm)
            point = curve.points[k - 1]
            assert (point.value, point.low, point.high) == pytest.approx((measured.value, measured.low, measured.high))


def test_gains_are_told_by_family_kind_and_difficulty_losses_first(finished: Run) -> None:
    divisions = figures.groups_by(build(finished).groups)
    assert [by for by, _ in divisions] == ["family", "kind", "difficulty"]
    for by, groups in divisions[:2]:
        values = [group.gain.value or 0.0 for group in groups]
        assert values == sorted(values), by


@pytest.mark.parametrize("gates", ["", "a", "ab", "abc", "abcd"])
def test_an_unfinished_run_has_a_report_that_says_what_is_missing(tmp_path: Path, gates: str) -> None:
    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates=gates))
    data = build(run)
    assert data.problems == ()
    assert len(data.missing) == 5 - len(gates)
    assert data.next_steps[0].command == "python -m runner advance"
    assert "This run is not finished" in html_of(run)
    assert "Not finished" in markdown_of(run)


def test_a_crashed_gate_is_told_as_crashed_with_its_sentence(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates="ab"))
    record_start(run, "c")
    record_crash(run, "c", kind="crash", sentence="OutOfMemoryError: 1.20 GiB", fix="", where="x.py:1")
    run = Run.open(run.folder)
    assert "OutOfMemoryError: 1.20 GiB" in Page(html_of(run)).text
    assert build(run).missing[0].startswith("Gate C training (crashed)")


def test_every_command_that_a_report_names_exists(finished: Run) -> None:
    from runner.cli import app

    known = {str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands}
    data = build(finished)
    told = [*data.reproduce, *(step.command for step in data.next_steps), *(row.answer for row in data.trust)]
    named = {word for text in told for word in re.findall(r"python -m runner (\w+)", text)}
    assert {"new", "advance", "rejudge", "export"} <= named
    assert named | {"replay"} <= known


def test_an_adapter_is_only_recommended_by_a_verdict_that_carries_it(small_run: Run) -> None:
    def refused(report: Any) -> None:
        report["results"].update(recommendations=[])
        report["results"]["decision"]["verdict"] = "ADJUST"

    assert build(small_run).next_steps[0].action.startswith("Export the adapter")
    edit_json(small_run.gate_folder("e") / "report.json", refused)
    assert build_unchecked(small_run).startswith("Keep the base model")


def build_unchecked(run: Run) -> str:
    """Return the next step of a run whose hand-made edit is taken as it stands."""
    found = read_artifacts(run)
    found.problems.clear()
    return read_next_steps(found, view_run(run))[0].action


def test_a_command_in_the_markdown_can_be_copied_as_it_is(finished: Run) -> None:
    text = markdown_of(finished)
    lines = text.splitlines()
    [export] = [line.strip() for line in lines if "runner export" in line]
    assert export == build(finished).next_steps[0].command, "a line of its own, nothing before or after it"
    overrides = "model=base-2m rule.margin_pp=15.0 gate.c.train.learning_rate=0.005"
    assert f"- Overrides at creation: `{overrides}`" in lines
    assert f"`python -m runner rejudge E --run {finished.folder}`" in text
    assert "\\_" not in text.replace("\\_ ", "")


def test_no_line_of_the_markdown_ends_in_a_space_and_no_heading_touches_what_follows(finished: Run) -> None:
    lines = markdown_of(finished).split("\n")
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line, below in pairwise(lines) if line.startswith("#") and below] == []


def test_a_smoke_run_says_on_its_first_page_that_it_decides_nothing(small_run: Run) -> None:
    assert "decides nothing" not in markdown_of(small_run)
    config = small_run.file("config.yaml")
    config.write_text(config.read_text(encoding="utf-8") + "smoke: true\n", encoding="utf-8")
    assert "Smoke run: it decides nothing." in markdown_of(small_run).partition("##")[0]
    assert "decides nothing" in Page(html_of(small_run)).text.partition("Basis of the decision")[0]


def test_to_json_is_plain_data(finished: Run) -> None:
    plain = to_json(build(finished))
    assert json.loads(json.dumps(plain, allow_nan=False))["run_id"] == finished.id


def test_a_report_is_the_same_when_it_is_written_again(finished: Run) -> None:
    first: ReportData = build(finished)
    assert html_of(finished) == html_of(finished)
    assert build(finished) == first
