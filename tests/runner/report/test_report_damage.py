"""A report over damaged artifacts names each on top, and is not to be relied on."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.report import ReportData, build, write_html, write_markdown
from runner.runs.folder import Run, command
from tests.support.reports import Page, html_of
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.story import Story

pytestmark = pytest.mark.usefixtures("usual_results")


WARNING = "Do not rely on this report"


def pages(run: Run) -> tuple[ReportData, str, str]:
    """Return the report's data, its page and its Markdown."""
    data = build(run)
    return data, write_html(data, run.folder).read_text(), write_markdown(data, run.folder).read_text()


def assert_named_on_top(run: Run, *words: str) -> None:
    data, page, markdown = pages(run)
    assert any(all(word in problem for word in words) for problem in data.problems), data.problems
    assert page.index(WARNING) < page.index("<nav")
    assert WARNING in markdown


def test_a_torn_samples_file_is_named(small_run: Run) -> None:
    path = small_run.gate_folder("b") / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert_named_on_top(small_run, "gate_b/samples.jsonl", "torn")


def test_a_line_that_a_running_gate_is_writing_is_no_damage(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates="ab"))
    (run.gate_folder("c")).mkdir()
    (run.gate_folder("c") / "metrics.jsonl").write_text('{"session": 1, "step": 1, "loss": 2.0}\n{"session": 1, "st')
    assert build(run).problems == ()


def test_a_line_that_is_no_sample_is_named_by_number(small_run: Run) -> None:
    path = small_run.gate_folder("e") / "samples.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = '{"task_id": 1}'
    path.write_text("\n".join(lines) + "\n")
    assert_named_on_top(small_run, "gate_e/samples.jsonl", "line 3")


def test_samples_that_are_not_utf_8_are_named(small_run: Run) -> None:
    (small_run.gate_folder("e") / "samples.jsonl").write_bytes(b"\xff\xfe\n")
    assert_named_on_top(small_run, "gate_e/samples.jsonl", "UTF-8")


def test_a_missing_gate_report_is_named(small_run: Run) -> None:
    (small_run.gate_folder("d") / "report.json").unlink()
    assert_named_on_top(small_run, "gate_d/report.json", "missing")


def test_a_gate_report_that_is_no_json_is_named(small_run: Run) -> None:
    (small_run.gate_folder("e") / "report.json").write_text("{")
    assert_named_on_top(small_run, "gate_e/report.json")
    assert build(small_run).verdict is None


def test_an_artifact_with_other_bytes_is_named(small_run: Run) -> None:
    path = small_run.gate_folder("c") / "checkpoints" / "step-000080" / "adapter_model.safetensors"
    path.write_bytes(b"x" * path.stat().st_size)
    assert_named_on_top(small_run, "step-000080/adapter_model.safetensors", "SHA-256")


def test_a_missing_artifact_is_named(small_run: Run) -> None:
    (small_run.gate_folder("c") / "metrics.jsonl").unlink()
    assert_named_on_top(small_run, "gate_c/metrics.jsonl", "missing")


def test_counts_that_the_samples_do_not_give_are_named(small_run: Run) -> None:
    def flatter(report: Any) -> None:
        report["results"]["tasks"][0]["cell_c"] += 1

    edit_json(small_run.gate_folder("e") / "report.json", flatter)
    assert_named_on_top(small_run, "counts of 1 task", "gate_e/samples.jsonl")


def test_a_verdict_that_contradicts_the_journal_is_named(small_run: Run) -> None:
    said = json.loads((small_run.gate_folder("e") / "report.json").read_text())["status"]
    other = "failed" if said == "passed" else "passed"
    edit_json(small_run.gate_folder("e") / "report.json", lambda report: report.update(status=other))
    assert_named_on_top(small_run, "gate_e/report.json", "journal")


def test_a_rejudgement_that_cannot_be_read_is_named(small_run: Run) -> None:
    (small_run.folder / "rejudge").mkdir()
    (small_run.folder / "rejudge" / "gate_e.1.json").write_text("{")
    assert_named_on_top(small_run, "rejudge/gate_e.1.json")


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data[:2]) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


@pytest.mark.heavy
@pytest.mark.parametrize("gate", list("abcde"))
def test_no_edit_of_a_gates_results_crashes_the_report(small_run: Run, gate: str) -> None:
    chance, path = random.Random(gate), small_run.gate_folder(gate) / "report.json"
    report = json.loads(path.read_text())
    for place in chance.sample(known := list(places(report["results"])), min(12, len(known))):
        edited = copy.deepcopy(report)
        parent = edited["results"]
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = chance.choice([None, "<b>", [], {}, -1, True])
        path.write_text(json.dumps(edited))
        _, page, markdown = pages(small_run)
        assert Page(page).open == []
        assert WARNING in markdown


@pytest.mark.parametrize("value", [True, "0.5", [0.5], float("nan"), float("inf")])
def test_what_is_no_finite_number_is_never_drawn_as_one(small_run: Run, value: Any) -> None:
    path = small_run.gate_folder("e") / "report.json"
    edit_json(path, lambda report: report["results"]["decision"]["gain"].update(value=value))
    assert_named_on_top(
        small_run, "gate_e/report.json: not a gate report", "results.e.decision.gain.value: Input should"
    )
    assert build(small_run).verdict is None


def test_a_damaged_run_is_to_be_mended_before_anything_else(small_run: Run) -> None:
    (small_run.gate_folder("d") / "report.json").unlink()
    text = html_of(small_run)
    assert build(small_run).next_steps[1].command.endswith(f"rewind D{run_flag(small_run)}")
    assert "as stored, not to be relied on" in text
    assert "Use the adapter" not in text


def run_flag(run: Run) -> str:
    return command(run.folder, "x").removeprefix("python -m runner x")
