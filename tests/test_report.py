"""What a report says of finished, unfinished and damaged runs, and that foreign text never becomes markup."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from run_factory import Story, decision_of, edit_json, make_run, record_crash

from eval.records import Candidate, Completion, Outcome, Sample, Verdict
from runner.journal import EventType
from runner.opening_page import open_page
from runner.report import (
    ReportData,
    build,
    figures,
    packing,
    svg,
    to_json,
    training,
    write_html,
    write_markdown,
    writing,
)
from runner.report.axes import axis_over
from runner.report.build import _next_steps
from runner.report.data import Interval
from runner.report.reading import read_artifacts
from runner.run import Run, command
from runner.view import view_run
from tests.runs import Cli

SMALL = Story(dev_tasks=6, test_tasks=18)


@pytest.fixture(autouse=True)
def usual_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a test's own runs those that a command without --run speaks of."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(tmp_path))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("results"), Story(contaminated=4, waiver="kept to compare"))


@pytest.fixture
def damaged(tmp_path: Path) -> Run:
    return make_run(tmp_path, SMALL)


def html_of(run: Run) -> str:
    return write_html(build(run), run.folder).read_text(encoding="utf-8")


def markdown_of(run: Run) -> str:
    return write_markdown(build(run), run.folder).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects what a browser would make of a page: elements with attributes, and visible text."""

    VOID = frozenset({"meta", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_states_the_verdict_of_gate_e(finished: Run) -> None:
    data, decision = build(finished), decision_of(finished)
    assert data.problems == ()
    assert data.missing == ()
    assert data.verdict is not None
    assert data.verdict.word == decision["verdict"]
    assert data.verdict.gain.value == pytest.approx(100 * decision["gain"]["value"])
    assert data.verdict.lower == pytest.approx(100 * decision["gain"]["lower"])
    assert data.verdict.margin == pytest.approx(15.0)


def test_the_page_is_well_formed_and_names_nothing_outside_itself(finished: Run) -> None:
    page = Page(html_of(finished))
    assert page.open == []
    names = {name for name, _ in page.elements}
    assert not names & {"img", "link", "iframe", "object", "embed", "base"}
    targets = [value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "href")]
    assert targets
    assert all(str(target).startswith("#") for target in targets)
    assert not any(key.startswith("on") or key == "style" for _, attributes in page.elements for key in attributes)


def test_the_policy_lets_only_the_pages_own_style_and_script_in(finished: Run) -> None:
    text = html_of(finished)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy.replace("&#39;", "'").startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy or f"{tag}-src 'sha256-{digest}'" in policy


def test_every_link_of_the_contents_leads_somewhere_and_every_deep_link_to_a_task(finished: Run) -> None:
    page = Page(html_of(finished))
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {str(a["href"])[1:] for name, a in page.elements if name == "a"}
    tasks = {task.task_id for task in build(finished).tasks}
    assert {link for link in links if not link.startswith("task=")} <= anchors
    assert {link.removeprefix("task=") for link in links if link.startswith("task=")} == tasks


def carried(text: str) -> dict[str, Any]:
    """Return the samples a page carries, unpacked as its script does it."""
    [packed] = re.findall(r'id="samples-data">([^<]*)<', text)
    document: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return document


def test_the_page_carries_every_sample_of_both_arms(finished: Run) -> None:
    document, data = carried(html_of(finished)), build(finished)
    assert [task["id"] for task in document["tasks"]] == [task.task_id for task in data.tasks]
    for row, task in zip(document["tasks"], data.tasks, strict=True):
        for arm, samples in (("base", task.base_samples), ("cell", task.cell_samples)):
            assert [sample[0] for sample in row[arm]["samples"]] == [sample.index for sample in samples]
            assert [sample[1] for sample in row[arm]["samples"]] == [s.verdict.outcome.value for s in samples]
            assert [document["texts"][sample[4]] for sample in row[arm]["samples"]] == [
                s.completion.text for s in samples
            ]
            assert [int(sample[12]) for sample in row[arm]["samples"]] == [sample.seed for sample in samples]
    assert sum(len(task.base_samples) for task in data.tasks) == 24 * 6


def test_model_text_stands_in_the_page_as_base64_or_escaped_and_never_as_markup(finished: Run) -> None:
    text = html_of(finished)
    page = Page(text)
    assert "<img" not in text
    assert "onerror" not in {key for _, attributes in page.elements for key in attributes}
    assert any(Story().markup in shown for shown in carried(text)["texts"])


def test_model_text_in_markdown_is_escaped(finished: Run) -> None:
    text = markdown_of(finished)
    assert "<img" not in text
    assert writing.escape_markdown("a|b `x` <i>\n# c") == r"a\|b \`x\` \<i\> \# c"


def test_control_signs_that_hide_text_are_made_visible() -> None:
    assert writing.printable("a\u202eb\x1b\n") == "a\\u202eb\\u001b\n"


def test_waived_checks_stand_before_the_contents(finished: Run) -> None:
    text = html_of(finished)
    assert text.index("kept to compare") < text.index("<nav")
    assert [check.name for check in build(finished).waived] == ["contamination"]


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
    row = next(row for row in report["tables"]["tasks"] if row["task_id"] == task.task_id)
    assert (task.base_c, task.base_n, task.cell_c, task.cell_n) == (
        row["base_c"],
        row["base_n"],
        row["cell_c"],
        row["cell_n"],
    )
    assert len(task.base_samples) + len(task.cell_samples) == row["base_n"] + row["cell_n"]


def test_a_sample_says_what_judged_it_and_what_held_it(finished: Run) -> None:
    document = carried(html_of(finished))
    said = {document["texts"][sample[9]] for task in document["tasks"] for sample in task["base"]["samples"]}
    assert all(text.endswith("recorder/luajit21 · process+rlimits+seccomp") for text in said)


def test_the_sweep_has_every_cell_and_one_chosen(finished: Run) -> None:
    sweep = build(finished).sweep
    assert sweep is not None
    assert len(sweep.cells) == len(sweep.steps) * len(sweep.scales) == 9
    assert [cell.chosen for cell in sweep.cells].count(True) == 1


def test_a_resumed_training_is_marked_where_it_went_on(finished: Run) -> None:
    curves = build(finished).training
    assert curves is not None
    assert curves.restarts == (71,)
    assert [series.name for series in curves.series] == ["loss", "learning rate", "gradient norm"]
    assert "resumed at step 71" in html_of(finished)


def test_overrides_are_marked_in_the_configuration(finished: Run) -> None:
    changed = {row.key for row in build(finished).provenance.config if row.changed}
    assert "gate.c.train.learning_rate" in changed
    assert "rule.margin_pp" in changed
    assert "model.path" in changed
    assert "sampling.top_p" not in changed


def test_the_report_says_how_to_do_it_again(finished: Run) -> None:
    assert build(finished).reproduce == (
        "git checkout 1a2b3c4d5e6f",
        "python -m runner new model=base-2m rule.margin_pp=15.0 gate.c.train.learning_rate=0.005",
        "python -m runner advance",
    )


def test_a_second_opening_of_the_test_tasks_is_shown(tmp_path: Path) -> None:
    data = build(make_run(tmp_path, Story(dev_tasks=6, test_tasks=18, openings=2)))
    assert ("Test opened", "2 times") in [(fact.label, fact.value) for fact in data.basis]


@pytest.mark.parametrize("gates", ["", "a", "ab", "abc", "abcd"])
def test_an_unfinished_run_has_a_report_that_says_what_is_missing(tmp_path: Path, gates: str) -> None:
    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates=gates))
    data = build(run)
    assert data.problems == ()
    assert len(data.missing) == 5 - len(gates)
    assert data.next_steps[0].value == "python -m runner advance"
    assert "This run is not finished" in html_of(run)
    assert "Not finished" in markdown_of(run)


def test_a_crashed_gate_is_told_as_crashed_with_its_sentence(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates="ab"))
    run.record(
        EventType.GATE_STARTED, "c", attempt=1, first_started_at="2026-11-20T10:00:00+00:00", elapsed_before_s=0.0
    )
    record_crash(run, "c", kind="crash", sentence="OutOfMemoryError: 1.20 GiB", fix="", where="x.py:1")
    run = Run.open(run.folder)
    assert "OutOfMemoryError: 1.20 GiB" in Page(html_of(run)).text
    assert build(run).missing[0].startswith("Gate C training (crashed)")


def assert_named_on_top(run: Run, *words: str) -> None:
    data = build(run)
    assert any(all(word in problem for word in words) for problem in data.problems), data.problems
    text = html_of(run)
    assert text.index("Do not rely on this report") < text.index("<nav")
    assert "Do not rely on this report" in markdown_of(run)


def test_a_torn_samples_file_is_named(damaged: Run) -> None:
    path = damaged.gate_folder("b") / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert_named_on_top(damaged, "gate_b/samples.jsonl", "torn")


def test_a_line_that_a_running_gate_is_writing_is_no_damage(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates="ab"))
    (run.gate_folder("c")).mkdir()
    (run.gate_folder("c") / "metrics.jsonl").write_text('{"session": 1, "step": 1, "loss": 2.0}\n{"session": 1, "st')
    assert build(run).problems == ()


def test_a_line_that_is_no_sample_is_named_by_number(damaged: Run) -> None:
    path = damaged.gate_folder("e") / "samples.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = '{"task_id": 1}'
    path.write_text("\n".join(lines) + "\n")
    assert_named_on_top(damaged, "gate_e/samples.jsonl", "line 3")


def test_samples_that_are_not_utf_8_are_named(damaged: Run) -> None:
    (damaged.gate_folder("e") / "samples.jsonl").write_bytes(b"\xff\xfe\n")
    assert_named_on_top(damaged, "gate_e/samples.jsonl", "UTF-8")


def test_a_missing_gate_report_is_named(damaged: Run) -> None:
    (damaged.gate_folder("d") / "report.json").unlink()
    assert_named_on_top(damaged, "gate_d/report.json", "missing")


def test_a_gate_report_that_is_no_json_is_named(damaged: Run) -> None:
    (damaged.gate_folder("e") / "report.json").write_text("{")
    assert_named_on_top(damaged, "gate_e/report.json")
    assert build(damaged).verdict is None


def test_an_artifact_with_other_bytes_is_named(damaged: Run) -> None:
    path = damaged.gate_folder("c") / "checkpoints" / "step-000080" / "adapter_model.safetensors"
    path.write_bytes(b"x" * path.stat().st_size)
    assert_named_on_top(damaged, "step-000080/adapter_model.safetensors", "SHA-256")


def test_a_missing_artifact_is_named(damaged: Run) -> None:
    (damaged.gate_folder("c") / "metrics.jsonl").unlink()
    assert_named_on_top(damaged, "gate_c/metrics.jsonl", "missing")


def test_counts_that_the_samples_do_not_give_are_named(damaged: Run) -> None:
    def flatter(report: Any) -> None:
        report["tables"]["tasks"][0]["cell_c"] += 1

    edit_json(damaged.gate_folder("e") / "report.json", flatter)
    assert_named_on_top(damaged, "counts of 1 task", "gate_e/samples.jsonl")


def test_a_verdict_that_contradicts_the_journal_is_named(damaged: Run) -> None:
    said = json.loads((damaged.gate_folder("e") / "report.json").read_text())["status"]
    other = "failed" if said == "passed" else "passed"
    edit_json(damaged.gate_folder("e") / "report.json", lambda report: report.update(status=other))
    assert_named_on_top(damaged, "gate_e/report.json", "journal")


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data[:2]) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


@pytest.mark.parametrize("gate", list("abcde"))
def test_no_edit_of_a_gate_table_crashes_the_report(damaged: Run, gate: str) -> None:
    chance, path = random.Random(gate), damaged.gate_folder(gate) / "report.json"
    report = json.loads(path.read_text())
    for place in chance.sample(known := list(places(report["tables"])), min(12, len(known))):
        edited = copy.deepcopy(report)
        parent = edited["tables"]
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = chance.choice([None, "<b>", [], {}, -1, True])
        path.write_text(json.dumps(edited))
        Page(html_of(damaged))
        markdown_of(damaged)


def sample(index: int, outcome: Outcome) -> Sample:
    return Sample(
        "t", index, "base", 1, Completion("x", "stop", 1), Candidate("x", "bare"), Verdict(outcome, "", 0.0, "v", "i")
    )


def test_the_samples_shown_are_one_of_each_way_to_end_passed_first() -> None:
    drawn = [
        sample(0, Outcome.WRONG),
        sample(1, Outcome.TIMEOUT),
        sample(2, Outcome.TIMEOUT),
        sample(3, Outcome.PASSED),
    ]
    assert [s.index for s in packing.representatives(drawn, 2)] == [3, 1]
    assert [s.index for s in packing.representatives(drawn, 9)] == [3, 1, 0]


def test_to_json_is_plain_data(finished: Run) -> None:
    plain = to_json(build(finished))
    assert json.loads(json.dumps(plain, allow_nan=False))["run_id"] == finished.id


def test_an_axis_holds_its_values_with_round_ticks() -> None:
    axis = axis_over([0.0, 15.0, -24.1, 32.4])
    assert axis.ticks == (-20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
    assert 0 < axis.at(-24.1) < axis.at(0.0) < axis.at(32.4) < 100


def test_svg_text_and_attributes_are_escaped() -> None:
    drawn = svg.picture('"><script>', 10, svg.text(50, 5, "<b>"))
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_a_forest_row_of_an_undefined_gain_draws_no_interval() -> None:
    rows = [Interval("doc", None, None, None, "pp"), Interval("repair", 3.0, 1.0, 5.0, "pp")]
    plots = [str(plot) for _, plot in figures.forest(rows, figures.gain_axis(rows, 15.0), 15.0)]
    assert ["circle" in plot for plot in plots] == [False, True]
    assert "undefined" in plots[0]


def test_a_long_curve_is_thinned_by_means() -> None:
    points = [(step, float(step)) for step in range(1, 1201)]
    thin = training.thinned(points, 600)
    assert len(thin) == 600
    assert thin[0] == (2, 1.5)
    assert training.thinned(points[:5], 600) == tuple(points[:5])


def test_a_report_is_the_same_when_it_is_written_again(finished: Run) -> None:
    first: ReportData = build(finished)
    assert html_of(finished) == html_of(finished)
    assert build(finished) == first


def test_a_damaged_run_is_to_be_mended_before_anything_else(damaged: Run) -> None:
    (damaged.gate_folder("d") / "report.json").unlink()
    text = html_of(damaged)
    assert build(damaged).next_steps[0].note.endswith(f"rewind D{run_flag(damaged)}")
    assert "as stored, not to be relied on" in text
    assert "Use the adapter" not in text


def run_flag(run: Run) -> str:
    return command(run.folder, "x").removeprefix("python -m runner x")


def test_every_question_about_the_instrument_has_an_answer_with_its_number(finished: Run) -> None:
    trust = {row.question: row for row in build(finished).trust}
    assert trust["Has training seen the tasks?"].state == "fails"
    assert trust["Could every sample be judged?"].answer.startswith("0 of 144 of the base and 0 of 144 of the adapter")
    assert trust["How often were the test tasks opened?"].answer == "Once."
    assert trust["Do the verdicts stand when they are judged again?"].state == "unknown"
    assert trust["Are the artifacts those that the gates wrote?"].state == "held"


def rejudged(run: Run, name: str, **changes: object) -> Run:
    told = {"gate": "e", "samples": 144, "verifier": "engine", "disagreements": [], "flips": 0, **changes}
    (run.folder / "rejudge").mkdir(exist_ok=True)
    (run.folder / "rejudge" / name).write_text(json.dumps(told))
    return run


def test_the_latest_rejudgement_of_a_gate_is_what_counts(damaged: Run) -> None:
    rejudged(damaged, "gate_e.2.json", disagreements=[{}, {}], flips=1)
    rejudged(damaged, "gate_e.10.json", disagreements=[{}])
    answers = [row for row in build(damaged).trust if "judged again" in row.question]
    assert [(row.state, row.answer) for row in answers] == [
        ("warns", "Gate E: 143 of 144 stand under engine; 0 change a pass.")
    ]


def test_a_rejudgement_that_cannot_be_read_is_named(damaged: Run) -> None:
    (damaged.folder / "rejudge").mkdir()
    (damaged.folder / "rejudge" / "gate_e.1.json").write_text("{")
    assert_named_on_top(damaged, "rejudge/gate_e.1.json")


def test_the_limits_are_written_from_the_numbers(finished: Run) -> None:
    data = build(finished)
    assert data.verdict is not None
    assert data.verdict.detectable is not None
    told = " ".join(data.limits)
    assert f"A true gain below {data.verdict.detectable:.1f} pp" in told
    assert "24 tasks come from 9 templates or sources; the largest holds 3" in told
    assert "the best of 9 on dev" in told
    assert "temperature 0.8, top-p 0.95" in told
    assert "seed 20261120" in told
    assert build(make_unfinished(finished)).limits == ()


def make_unfinished(run: Run) -> Run:
    return make_run(run.folder.parent, Story(dev_tasks=6, test_tasks=9, gates="ab"))


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


def raced(report: Any) -> None:
    tables = report["tables"]
    for row in tables["cells"][:5]:
        row.update(tasks=3, dropped_after=1)
    names = [row["cell"] for row in tables["cells"]]
    rounds = [
        {"round": 1, "tasks": 3, "cells": names, "kept": names[5:]},
        {"round": 2, "tasks": 6, "cells": names[5:], "kept": names[5:]},
    ]
    tables["search"] = {"method": "race", "rounds": rounds, "samples": 150, "grid_samples": 270}


def test_cells_that_left_the_race_are_shown_as_such_with_what_they_were_measured_on(damaged: Run) -> None:
    edit_json(damaged.gate_folder("d") / "report.json", raced)
    sweep = build(damaged).sweep
    assert sweep is not None
    assert [cell.dropped_after for cell in sweep.cells].count(1) == 5
    text = html_of(damaged)
    assert text.count("out after round 1 · 3 tasks") == 5
    assert "150 samples drawn, 56% of the full grid&#39;s 270" in text
    assert "out after round 1, 3 tasks" in markdown_of(damaged)


def test_dev_stands_beside_test_for_the_chosen_cell(finished: Run) -> None:
    sweep = build(finished).sweep
    assert sweep is not None
    assert sweep.chosen is not None
    assert sweep.test is not None
    assert sweep.test.value == pytest.approx(100 * decision_of(finished)["gain"]["value"])
    page = Page(html_of(finished)).text
    assert "dev, chosen on" in page
    assert "test, decided on" in page


def test_a_loss_that_is_not_finite_is_told_and_the_rest_is_drawn(damaged: Run) -> None:
    path = damaged.gate_folder("c") / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[50]["loss"] = float("nan")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curves = build(damaged).training
    assert curves is not None
    assert len(curves.series[0].points) == len(rows) - 1
    assert ("Loss not finite", "1 steps", "first at step 51") in [(f.label, f.value, f.note) for f in curves.facts]


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


def test_a_leaked_task_says_where_training_met_it(damaged: Run) -> None:
    leaked = build(damaged).tasks[0].task_id
    edit_json(
        damaged.gate_folder("a") / "report.json",
        lambda report: report["tables"].update(contamination=contamination_of(leaked)),
    )
    task = next(task for task in build(damaged).tasks if task.task_id == leaked)
    assert task.status == "CONTAMINATED"
    assert task.seen == ("prompt nearly in training line 4, 9 and 5 more (T3): “a lamp”",)


def test_values_that_differ_from_the_defaults_are_shown_beside_them(finished: Run) -> None:
    rows = {row.key: row for row in build(finished).provenance.config}
    assert rows["seed"].value == "20261120"
    assert rows["seed"].default == "0"
    assert rows["rule.k"].default is None


def test_report_writes_the_format_that_is_asked_for(results: Path, cli: Cli) -> None:
    run = make_run(results, SMALL)
    for form, written in (("html", "report.html"), ("md", "report.md")):
        code, told = cli("report", run.id, "--format", form)
        assert (code, told.split()) == (0, [str(run.folder / written)])
    code, told = cli("report", "--run", run.id)
    assert (code, told.split()) == (0, [str(run.folder / "report.md"), str(run.folder / "report.html")])
    for words in (("--format", "json"), ("--json",)):
        code, told = cli("report", *words)
        assert json.loads(told)["verdict"]["word"] == decision_of(run)["verdict"]
        assert "base_samples" not in told


def test_report_refuses_two_names_for_one_run(results: Path, cli: Cli) -> None:
    run = make_run(results, SMALL)
    code, told = cli("report", run.id, "--run", "other")
    assert code == 2
    assert "Two runs are named" in told


def test_report_over_a_damaged_run_says_so_on_the_screen_and_in_its_exit_code(results: Path, cli: Cli) -> None:
    run = make_run(results, SMALL)
    (run.gate_folder("d") / "report.json").unlink()
    code, told = cli("report")
    assert code == 5
    assert "do not rely on this report" in told
    assert "gate_d/report.json is missing" in told
    code, told = cli("report", "--format", "json")
    assert code == 5
    assert "gate_d/report.json is missing" in json.loads(told[: told.rindex("}") + 1])["problems"][0]


def test_open_says_how_to_look_at_the_page_over_ssh(results: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(results, SMALL)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 22 10.0.0.2 22")
    code, told = cli("report", "--open")
    assert code == 0
    assert f"Not opened: this shell is reached over SSH. Copy the page to your machine: scp HOST:{run.folder}" in told


@pytest.mark.parametrize(("found", "words"), [(True, ""), (False, "no browser was found")])
def test_open_asks_the_desktops_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: bool, words: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or found)
    remark = open_page(tmp_path / "report.html", {"DISPLAY": ":0"}, "linux")
    assert asked == [(tmp_path / "report.html").as_uri()]
    assert words in remark
    assert bool(remark) is not found
    assert "there is no display" in open_page(tmp_path / "report.html", {}, "linux")


def decided_on_dev(run: Run) -> Run:
    """Make a finished run one without a test split: Gate E drew nothing, the dev tasks decided."""
    chosen = decision_of(run)["cell"]
    drawn = (run.gate_folder("d") / "cells" / chosen / "samples.jsonl").read_text()
    rows = json.loads((run.gate_folder("b") / "report.json").read_text())["tables"]["results"]["dev"]["scores"]
    swept = json.loads((run.gate_folder("d") / "report.json").read_text())["tables"]["cells"]
    result = next(row["result"] for row in swept if row["cell"] == chosen)

    def edit(report: Any) -> None:
        tables = report["tables"]
        tables["decision"].update(method="max-t over 9 cells")
        tables.update(split="dev", openings=[])
        tables["results"]["cell"] = result
        counts = {score["task_id"]: score for score in result["scores"]}
        tables["tasks"] = [
            {**tables["tasks"][0], "task_id": row["task_id"], "base_c": row["c"], "base_n": row["n"],
             "cell_c": counts[row["task_id"]]["c"], "cell_n": counts[row["task_id"]]["n"]}
            for row in rows
        ]  # fmt: skip

    edit_json(run.gate_folder("e") / "report.json", edit)
    (run.gate_folder("e") / "samples.jsonl").unlink()
    assert drawn
    return run


def test_without_a_test_split_the_samples_are_those_of_the_sweep(damaged: Run) -> None:
    data = build(decided_on_dev(damaged))
    chosen = decision_of(damaged)["cell"]
    assert data.source.cell_gate == "D"
    assert data.source.files == ("gate_b/samples.jsonl", f"gate_d/cells/{chosen}/samples.jsonl")
    assert all(len(task.cell_samples) == 5 for task in data.tasks)
    assert next(row for row in data.trust if "opened" in row.question).answer.startswith("Never")
    assert data.sweep is not None
    assert data.sweep.test is None
    assert not any("does not give the counts" in problem for problem in data.problems)


def test_every_command_that_a_report_names_exists(finished: Run) -> None:
    from runner.cli import app

    known = {str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands}
    data = build(finished)
    told = [*data.reproduce, *(step.value for step in data.next_steps), *(row.answer for row in data.trust)]
    named = {word for text in told for word in re.findall(r"python -m runner (\w+)", text)}
    assert {"new", "advance", "rejudge", "export"} <= named
    assert named | {"replay"} <= known


def test_an_adapter_is_only_recommended_by_a_verdict_that_carries_it(damaged: Run) -> None:
    def refused(report: Any) -> None:
        report["tables"].update(recommendations=[])
        report["tables"]["decision"]["verdict"] = "ADJUST"

    assert build(damaged).next_steps[0].value.startswith("Use the adapter")
    edit_json(damaged.gate_folder("e") / "report.json", refused)
    assert build_unchecked(damaged).startswith("Keep the base")


def build_unchecked(run: Run) -> str:
    """Return the next step of a run whose hand-made edit is taken as it stands."""
    found = read_artifacts(run)
    found.problems.clear()
    return _next_steps(found, view_run(run))[0].value
