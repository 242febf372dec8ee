"""The marks of a run's samples: on the screen of samples, in the report, and out of every gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains import domain_named, scorer_of
from eval.pipeline.scoring import PARTS
from eval.records import Candidate, Completion, Outcome, Sample, Verdict
from runner.report import build, to_json, write_markdown
from runner.runs.folder import Run
from runner.screens.answers.samples import samples_text
from runner.screens.ink import Paper
from runner.views import marks as views
from runner.views.marks import read_weights, with_findings
from runner.views.samples import Wanted, find_samples, sample_rows
from tests.support.reports import carried, html_of
from tests.support.run_factory import make_run
from tests.support.story import Story


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("results"), Story(test_samples=6))


def test_the_shipped_weights_are_read(tmp_path: Path) -> None:
    weights = read_weights()
    assert [getattr(weights, part) > 0 for part in PARTS] == [True] * 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("syntax: 1\napi: 1\nbugs: 1\n", "quality: not set"),
        ("syntax: 1\napi: 1\nbugs: 1\nqualty: 1\n", 'qualty: no such weight, nearest is "quality"; quality: not set'),
        ("syntax: yes\napi: x\nbugs: 1\nquality: 1\n", "syntax = True: not a number; api = 'x': not a number"),
        ("syntax: -1\napi: 1\nbugs: 1\nquality: 1\n", "scores.syntax = -1.0: must be 0 or more"),
        ("syntax: 0\napi: 0\nbugs: 0\nquality: 0\n", "at least one weight must be above 0"),
        ("[]", "holds no weights"),
        ("{", "cannot be read"),
    ],
)
def test_wrong_weights_are_refused_with_the_key(
    text: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "WEIGHTS", tmp_path / "scores.yaml")
    (tmp_path / "scores.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Refusal) as refused:
        read_weights()
    assert named in str(refused.value)


def test_every_judged_sample_has_marks_on_the_screen_and_in_json(run: Run) -> None:
    found = find_samples(run, "e", Wanted(limit=20))
    rows = sample_rows(found)["samples"]
    assert rows
    assert all(("marks" in row) == (row["verdict"]["outcome"] != "HARNESS_ERROR") for row in rows)
    assert all(0 <= row["marks"]["total"] <= 1 for row in rows)
    text = samples_text(found, "", Paper(width=200, colour=False))
    assert text.count("marks:   syntax") == len(rows)


def test_a_sample_that_failed_is_not_passed_whatever_its_marks(run: Run) -> None:
    found = find_samples(run, "e", Wanted(outcome="WRONG", limit=50))
    assert found.samples
    totals = [found.readings[s.arm, s.task_id, s.index].total for s in found.samples]
    assert max(totals) < 1
    assert {sample.verdict.outcome.value for sample in found.samples} == {"WRONG"}


def test_reading_adds_its_findings_to_those_of_the_verdict_and_changes_nothing_stored() -> None:
    scorer = scorer_of(domain_named("roblox"))
    verdict = Verdict(Outcome.PASSED, "", 0.0, "luau/0.686", "none", findings=("deprecated: wait",))
    stored = Sample("t", 0, "base", 1, Completion("x", "stop", 1), Candidate("wait(1)", "fence"), verdict)
    read = with_findings(stored, scorer)
    assert read.verdict.findings == (
        "deprecated: wait",
        "wait: wait is throttled and imprecise: use task.wait (line 1)",
    )
    assert stored.verdict.findings == ("deprecated: wait",)
    broken = replace(stored, verdict=replace(verdict, outcome=Outcome.SYNTAX_ERROR))
    assert with_findings(broken, scorer) == broken


def test_the_report_tells_mean_marks_of_both_arms_with_intervals(run: Run) -> None:
    data = build(run)
    assert [row.mark for row in data.marks] == [*PARTS, "total"]
    for row in data.marks:
        assert row.adapter is not None
        assert row.gain is not None
        assert (row.base.n, row.samples) == (len(data.tasks), 6)
        for interval in (row.base, row.adapter, row.gain):
            assert interval.low is not None
            assert interval.value is not None
            assert interval.high is not None
            assert interval.low <= interval.value <= interval.high
        assert row.gain.value == pytest.approx(row.adapter.value - row.base.value)  # type: ignore[operator]
    total = data.marks[-1]
    assert total.base.value == pytest.approx(
        sum(row.weight * (row.base.value or 0) for row in data.marks[:-1]) / total.weight
    )
    assert json.dumps(to_json(data)["marks"])


def test_page_and_markdown_carry_the_marks(run: Run) -> None:
    page, markdown = html_of(run), write_markdown(build(run), run.folder).read_text(encoding="utf-8")
    assert '<section id="marks">' in page
    assert "## Marks, 0 to 1" in markdown
    book = carried(page)
    samples = [sample for task in book["tasks"] for arm in ("base", "cell") for sample in task[arm]["samples"]]
    assert {len(book["marks"][sample[13]]) for sample in samples if sample[13] is not None} == {4}


def test_without_what_reads_the_programs_the_report_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Refusal("Luau programs cannot be read.", 'pip install "luagate[roblox]".')

    monkeypatch.setattr("runner.report.sections.marks.scorer_of_run", refuse)
    data = build(run)
    assert not data.marks
    assert "luagate[roblox]" in data.no_marks
    assert not data.problems
    assert "Not computed: Luau programs cannot be read." in html_of(run)


def test_families_have_paired_gains_beside_their_rates(run: Run) -> None:
    data = build(run)
    for row in data.passes:
        assert row.gain is not None
        assert row.adapter is not None
        assert row.base is not None
        if row.base.value is not None and row.adapter.value is not None:
            assert row.gain.value == pytest.approx(row.adapter.value - row.base.value)
    by_family = {group.gain.label: group.gain for group in data.groups if group.by == "family"}
    decided = {row.group: row.gain for row in data.passes if row.metric == f"pass@{data.k}" and row.group != "all"}
    assert decided.keys() == by_family.keys()
    for family, gain in by_family.items():
        assert (decided[family].value, decided[family].low) == (pytest.approx(gain.value), pytest.approx(gain.low))  # type: ignore[union-attr]
