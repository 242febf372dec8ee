"""What a gate found, as a person reads it: its checks, its tables, its refusal, and what is stale."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from env.checks import block, fact, ok, warn
from env.refusal import Refusal
from gates.report.results import BaselineResults
from runner.runs.folder import Run
from runner.screens import checks, notices, outcome
from runner.validity.freshness import Freshness
from tests.support.run_factory import make_run
from tests.support.screen_views import ADVANCE, report_of, text_of
from tests.support.story import Story

pytestmark = pytest.mark.usefixtures("usual_results")


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
    assert text.endswith("3 checks: 1 ok, 1 warns, 1 blocks; 1 fact")


def test_print_checks_takes_a_report_and_a_plain_list(tmp_path: Path) -> None:
    report = report_of(make_run(tmp_path, Story(gates="a", contaminated=12, waiver="kept to compare")), "a")
    of_report, of_list = io.StringIO(), io.StringIO()
    checks.print_checks(report, of_report)
    checks.print_checks(report.checks, of_list)
    assert "see gate_a/report.json" in of_report.getvalue()
    assert "and 2 more\n" in of_list.getvalue()


def test_the_sweep_is_a_table_with_one_chosen_cell(finished: Run) -> None:
    text = text_of(outcome.outcome_lines(report_of(finished, "d"), ADVANCE))
    assert "x0.25         x0.50         x1.00" in text
    rows = [line for line in text.splitlines() if line.split()[0] in ("40", "80", "120")]
    assert len(rows) == 3
    assert sum("◆" in row for row in rows) == 1


def test_every_figure_of_the_baseline_is_below_its_name(finished: Run) -> None:
    report = report_of(finished, "b")
    assert isinstance(report.results, BaselineResults)
    test = report.results.splits["test"]
    more = replace(test.metrics[-1], name="pass@9", value=98.7, low=None, high=None)
    splits = {**report.results.splits, "test": replace(test, metrics=(*test.metrics, more))}
    results = report.results.model_copy(update={"splits": splits})
    found = outcome.outcome_lines(report.model_copy(update={"results": results}), ADVANCE)
    lines = text_of(found, 120).splitlines()
    [head] = [line for line in lines if "pass@9" in line]
    [row] = [line for line in lines if "98.7" in line]
    assert row.split()[0] == "test"
    assert row.index("98.7") + len("98.7") == head.index("pass@9") + len("pass@9")


def test_the_decision_shows_headline_interval_reasons_and_recommendations(tmp_path: Path) -> None:
    report = report_of(make_run(tmp_path, Story(gain=0.0)), "e")
    text = " ".join(text_of(outcome.outcome_lines(report, ADVANCE)).split())
    assert " ".join(report.headline.split()) in text
    assert "M margin" in text
    assert "1. Write more training rows for repair" in text
    for reason in report.reasons:
        assert reason in text


def test_a_gate_that_left_no_results_still_ends_with_its_reasons(finished: Run) -> None:
    for gate in "abcde":
        report = report_of(finished, gate).model_copy(update={"results": None, "status": "failed", "reasons": ["no"]})
        assert "said no" in text_of(outcome.outcome_lines(report, ADVANCE))


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


def test_a_difference_that_makes_several_gates_stale_is_named_once(tmp_path: Path) -> None:
    stream = io.StringIO()
    model = ("model.path: one became two", "file.model: other bytes")
    found = [Freshness("a", False, model), Freshness("b", False, (*model, "gate_a: gate A has other results now"))]
    notices.print_staleness(tmp_path, found, [], stream)
    text = stream.getvalue()
    assert text.startswith("✗ A, B  stale: computed from other inputs\n")
    assert [text.count(reason) for reason in model] == [1, 1]
    assert "gate A has other results now  (gate B)" in text


def test_why_says_of_fresh_gates_that_they_are_fresh(tmp_path: Path) -> None:
    stream = io.StringIO()
    notices.print_freshness(tmp_path, [Freshness("b", True)], stream)
    assert stream.getvalue() == "✓ B  up to date\n"
