"""Runs side by side: paired where the tasks are the same, refused with the reason where they are not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import estimate_gain
from eval.records import TaskScore
from gates.report import read_report
from gates.report.results import DecisionResults
from runner.report.page.comparison import comparison_page, write_comparison
from runner.runs.folder import Run
from runner.runs.journal import EventType
from runner.screens.answers.comparison import comparison_lines
from runner.screens.ink import Paper, rendered
from runner.views.comparison import Comparison, compare_runs
from tests.support.reports import Page
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import Story

STORY = Story(dev_tasks=9, test_tasks=36)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("results"), replace(STORY, contaminated=4, waiver="kept to compare"))


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("results"), replace(STORY, gain=0.02, seed=8))


def scores(run: Run) -> list[TaskScore]:
    report = read_report(run.gate_folder("e") / "report.json")
    assert report is not None
    assert isinstance(report.results, DecisionResults)
    return list(report.results.arms.cell.scores)


def text_of(comparison: Comparison) -> str:
    return "\n".join(rendered(comparison_lines(comparison), Paper(None)))


def test_the_adapters_of_two_runs_are_paired_task_by_task(good: Run, weak: Run) -> None:
    [pairing] = compare_runs([good, weak]).pairings
    expected = estimate_gain(paired_gains(scores(good), scores(weak), 5), seed=1, resamples=1000, alpha=0.05)
    assert pairing.refused == ""
    assert pairing.difference is not None
    assert pairing.difference.value == pytest.approx(100 * expected.value)
    assert (pairing.difference.low, pairing.difference.high) == (100 * expected.low, 100 * expected.high)
    assert (pairing.difference.n, pairing.clusters) == (36, expected.clusters)
    assert pairing.difference.high < 0, "the weaker run is shown to be weaker"
    assert {group.name for group in pairing.groups if group.by == "family"} == {"scaffold", "repair", "doc"}
    assert pairing.groups[0].base.name == "pass@5 adapter of run 1"
    assert pairing.notes == ("run 1's training has seen 4 of these 36 tasks",)


def test_the_order_of_the_runs_turns_the_sign(good: Run, weak: Run) -> None:
    [one], [two] = compare_runs([good, weak]).pairings, compare_runs([weak, good]).pairings
    assert one.difference is not None
    assert two.difference is not None
    assert one.difference.value == pytest.approx(-two.difference.value)


def test_runs_on_other_tasks_are_not_paired_and_the_tasks_are_named(good: Run, tmp_path: Path) -> None:
    fewer = make_run(tmp_path / "fewer", replace(STORY, test_tasks=30))
    [pairing] = compare_runs([good, fewer]).pairings
    assert pairing.difference is None
    assert pairing.refused.startswith("their test tasks differ: 6 are only in run 1, 0 only in run 2, such as test-")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (
            lambda found: found["tasks"][0].update(digest="other"),
            "1 test tasks with the same id differ in prompt or checks",
        ),
        (
            lambda found: found["arms"]["cell"]["scores"][0].update(cluster="x"),
            "are in another family or cluster",
        ),
        (lambda found: found["arms"]["cell"]["scores"][0].update(c=99), "contradict themselves"),
        (lambda found: found.pop("arms"), "run 2 has measured no adapter"),
    ],
)
def test_tasks_that_are_not_the_same_task_are_not_paired(good: Run, tmp_path: Path, edit, why: str) -> None:
    other = make_run(tmp_path, STORY)
    path = other.gate_folder("e") / "report.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document["results"])
    path.write_text(json.dumps(document), encoding="utf-8")
    comparison = compare_runs([good, other])
    assert comparison.pairings[0].difference is None
    assert why in comparison.pairings[0].refused
    assert any("report.json" in problem for problem in comparison.sides[1].problems), "the edit is named"


def test_another_k_is_not_paired(good: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path, replace(STORY, k=3))
    assert compare_runs([good, other]).pairings[0].refused == "run 1 decides on pass@5, run 2 on pass@3"


@pytest.mark.parametrize(
    ("gates", "stands", "has"),
    [("", "A environment is next", (False, False)), ("ab", "C training is next", (True, False)), ("abcd", "E decision is next", (True, False))],
)  # fmt: skip
def test_an_unfinished_run_shows_what_it_has(
    good: Run, tmp_path: Path, gates: str, stands: str, has: tuple[bool, bool]
) -> None:
    side = compare_runs([good, make_run(tmp_path, replace(STORY, gates=gates))]).sides[1]
    assert (side.stands, side.verdict) == (stands, "")
    assert (side.base is not None, side.gain is not None) == has
    assert side.problems == ()


@pytest.mark.parametrize("part", ["decision", "arms", "tasks", "groups", "chosen"])
def test_a_report_of_another_shape_is_one_problem_that_names_its_field(good: Run, tmp_path: Path, part: str) -> None:
    other = make_run(tmp_path, STORY)
    edit_json(other.gate_folder("e") / "report.json", lambda data: data["results"].update({part: [1]}))
    comparison = compare_runs([good, other])
    [problem] = comparison.sides[1].problems
    assert problem.startswith(f"gate_e/report.json: not a gate report of schema 1, 2 or 3: results.e.{part}")
    assert other.id in text_of(comparison)


def test_a_rewound_gates_old_report_is_not_shown_as_this_runs_result(good: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path, STORY)
    other.record(EventType.GATE_REWOUND, "c", anew=True)
    side = compare_runs([good, Run.open(other.folder)]).sides[1]
    assert (side.stands, side.verdict, side.gain) == ("C training is next", "", None)
    assert side.base is not None


def test_waived_leaks_and_the_decision_without_them_are_beside_the_verdict(good: Run, weak: Run) -> None:
    text = text_of(compare_runs([good, weak]))
    assert "waived because: kept to compare" in text
    assert "without 4 contaminated tasks: " in text


def test_what_differs_is_listed_with_each_runs_value_and_what_agrees_is_not(good: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path, STORY)
    config = other.file("config.yaml")
    config.write_text(config.read_text(encoding="utf-8").replace("learning_rate: 0.005", "learning_rate: 0.001"))
    edit_json(other.gate_folder("a") / "report.json", lambda data: data["results"]["dataset"].update(digest="77" * 32))
    found = {(item.part, item.key): item.values for item in compare_runs([good, other]).differences}
    assert found["config", "gate.c.train.learning_rate"] == ("0.005", "0.001")
    assert found["data", "dataset digest"] == ("9e" * 32, "77" * 32)
    assert all(len(set(values)) == 2 for values in found.values())
    assert ("data", "dataset rows") not in found
    assert compare_runs([good, make_run(tmp_path / "same", STORY)]).differences == ()


def test_the_page_is_offline_and_no_name_of_a_run_becomes_markup(good: Run, weak: Run, tmp_path: Path) -> None:
    comparison = compare_runs([good, weak])
    hostile = replace(comparison.sides[0], waived=("<script>alert(1)</script>\x1b[31m",))
    page = write_comparison(replace(comparison, sides=(hostile, comparison.sides[1])), tmp_path / "x" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "\x1b" not in text
    assert "http" not in text.replace('http-equiv="', "")
    assert "&lt;script&gt;" in text
    for words in ("Adapter against adapter", good.id, weak.id, "Run 2 minus run 1"):
        assert words in text


def test_every_table_of_the_page_has_a_caption_and_every_head_says_what_it_heads(
    good: Run, weak: Run, tmp_path: Path
) -> None:
    page = Page(write_comparison(compare_runs([good, weak]), tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.open == []
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table") >= 2
    assert [attributes for tag, attributes in page.elements if tag == "th" and "scope" not in attributes] == []
    assert tags.index("main") < tags.index("nav"), "the contents are inside the one main part"


def test_a_page_of_many_runs_has_a_name_that_file_systems_take(good: Run, weak: Run, tmp_path: Path) -> None:
    comparison = compare_runs([good, weak])
    many = replace(comparison, sides=comparison.sides * 20)
    assert len(comparison_page(tmp_path, many).name) < 100
    assert comparison_page(tmp_path, comparison).name == f"{good.id}_vs_{weak.id}.html"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(Refusal, match="a file where a folder should be"):
        write_comparison(comparison, blocked / "page.html")


def test_compare_prints_a_table_writes_a_page_and_gives_the_same_as_data(cli: Cli, results: Path) -> None:
    first, second = make_run(results, STORY), make_run(results, replace(STORY, gain=0.02, seed=8))
    code, text = cli("compare", first.id, second.id)
    assert code == 0
    assert "2 - 1  " in text
    page = results / "comparisons" / f"{first.id}_vs_{second.id}.html"
    assert str(page) in text
    assert page.is_file()
    code, text = cli("compare", first.id, second.id, "--json")
    assert code == 0
    data = json.loads(text)
    assert [side["id"] for side in data["sides"]] == [first.id, second.id]
    assert data["pairings"][0]["difference"]["unit"] == "pp"
    code, _ = cli("compare", first.id, second.id, "--html", str(results / "mine.html"))
    assert code == 0
    assert (results / "mine.html").is_file()


def test_compare_refuses_one_run_a_run_twice_and_an_unknown_one(cli: Cli, results: Path) -> None:
    run = make_run(results, replace(STORY, gates="a"))
    for arguments, words in (([run.id], "One run alone"), ([run.id, run.id], "named twice"), ([run.id, "x"], '"x"')):
        code, text = cli("compare", *arguments)
        assert code == 2
        assert words in text
        assert "Traceback" not in text
    assert not (results / "comparisons").exists()


def test_each_run_tells_its_families_with_both_rates_and_the_paired_gain(good: Run, weak: Run) -> None:
    comparison = compare_runs([good, weak])
    text = text_of(comparison)
    for side in comparison.sides:
        families = [group for group in side.groups if group.by == "family"]
        assert {group.name for group in families} == {"scaffold", "repair", "doc"}
        for group in families:
            assert group.gain.value == pytest.approx(group.adapter.value - group.base.value)
            assert group.clusters <= group.tasks
            row = f"{group.base.value:.1f} ({group.base.low:.1f} to {group.base.high:.1f})"
            assert row in text
    assert "by family, each adapter against its own base" in text
