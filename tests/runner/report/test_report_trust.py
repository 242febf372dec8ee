"""How far a report says its numbers carry: how they were judged, what limits them, how to make them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.report import build
from runner.runs.folder import Run
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.story import Story

pytestmark = pytest.mark.usefixtures("usual_results")


def test_every_question_about_the_instrument_has_an_answer_with_its_number(finished: Run) -> None:
    trust = {row.question: row for row in build(finished).trust}
    assert trust["Has training seen the tasks?"].state == "fails"
    assert trust["Could every sample be judged?"].answer.startswith("0 of 144 of the base and 0 of 144 of the adapter")
    assert trust["How often were the test tasks opened?"].answer == "Once."
    assert trust["Do the verdicts hold when judged again?"].state == "unknown"
    assert trust["Are the files those that the gates wrote?"].state == "ok"


def rejudged(run: Run, name: str, **changes: object) -> Run:
    told = {"gate": "e", "samples": 144, "verifier": "engine", "disagreements": [], "flips": 0, **changes}
    (run.folder / "rejudge").mkdir(exist_ok=True)
    (run.folder / "rejudge" / name).write_text(json.dumps(told))
    return run


def test_the_latest_rejudgement_of_a_gate_is_what_counts(small_run: Run) -> None:
    rejudged(small_run, "gate_e.2.json", disagreements=[{}, {}], flips=1)
    rejudged(small_run, "gate_e.10.json", disagreements=[{}])
    answers = [row for row in build(small_run).trust if "judged again" in row.question]
    assert [(row.state, row.answer) for row in answers] == [
        ("warns", "Gate E: 143 of 144 are the same under engine; 0 flip between pass and fail.")
    ]


def test_a_verdict_that_turns_when_judged_again_fails(small_run: Run) -> None:
    rejudged(small_run, "gate_e.1.json", disagreements=[{}], flips=1)
    assert [row.state for row in build(small_run).trust if "judged again" in row.question] == ["fails"]


def lose_samples(found: Any) -> None:
    found["arms"]["base"]["harness_errors"] = 60


def cut_answers_off(found: Any) -> None:
    found["arms"]["cell"]["truncated"] = 100


def open_twice(found: Any) -> None:
    found["openings"] *= 2


@pytest.mark.parametrize(
    ("edit", "question", "state"),
    [
        (lose_samples, "Could every sample be judged?", "fails"),
        (cut_answers_off, "Were answers cut off?", "warns"),
        (open_twice, "How often were the test tasks opened?", "warns"),
    ],
)
def test_a_bad_number_shows_in_its_answer_and_an_edit_in_the_bytes(
    small_run: Run, edit: Callable[[Any], None], question: str, state: str
) -> None:
    edit_json(small_run.gate_folder("e") / "report.json", lambda report: edit(report["results"]))
    states = {row.question: row.state for row in build(small_run).trust}
    assert states[question] == state
    assert states["Are the files those that the gates wrote?"] == "fails"


def test_a_second_opening_of_the_test_tasks_is_shown(tmp_path: Path) -> None:
    data = build(make_run(tmp_path, Story(dev_tasks=6, test_tasks=18, openings=2)))
    assert ("Test opened", "2 times") in [(fact.label, fact.value) for fact in data.basis]


def test_the_limits_are_written_from_the_numbers(finished: Run, tmp_path: Path) -> None:
    data = build(finished)
    assert data.verdict is not None
    assert data.verdict.detectable is not None
    told = " ".join(data.limits)
    assert f"A true gain below {data.verdict.detectable:.1f} pp" in told
    assert "24 tasks come from 9 templates or sources; the largest holds 3" in told
    assert "the best of 9 on dev" in told
    assert "temperature 0.8, top-p 0.95" in told
    assert "seed 20261120" in told
    assert build(make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates="ab"))).limits == ()


def test_tasks_that_cannot_show_a_gain_are_counted_without_naming_a_group_of_none(tmp_path: Path) -> None:
    data = build(make_run(tmp_path, Story(dev_tasks=6, test_tasks=18, base_rate=0.02, gain=0.05)))
    [told] = [limit for limit in data.limits if "cannot show a gain" in limit]
    done = sum(task.base_c == task.base_n for task in data.tasks)
    never = sum(task.base_c == 0 and task.cell_c == 0 for task in data.tasks)
    assert told.startswith(f"{done + never} of 18 tasks cannot show a gain of pass@5: ")
    assert never > 0
    assert f"neither model ever solves {never}" in told
    assert ("always solves" in told) is (done > 0)


@pytest.mark.parametrize(
    ("window", "steps", "told"),
    [
        (2, 4, "means of the first and last 2 steps"),
        (1, 2, "of the first and the last step"),
        (10, 120, "means of the first and last 10 steps"),
    ],
)
def test_a_loss_is_told_over_the_steps_there_were(small_run: Run, window: int, steps: int, told: str) -> None:
    def shorten(report: Any) -> None:
        report["results"]["training"].update(steps=steps, loss_window_steps=window)

    edit_json(small_run.gate_folder("c") / "report.json", shorten)
    training = build(small_run).training
    assert training is not None
    assert [fact.note for fact in training.facts if fact.label == "Loss"] == [told]


def test_overrides_are_marked_in_the_configuration(finished: Run) -> None:
    changed = {row.key for row in build(finished).provenance.config if row.changed}
    assert "gate.c.train.learning_rate" in changed
    assert "rule.margin_pp" in changed
    assert "model.path" in changed
    assert "sampling.top_p" not in changed


def test_values_that_differ_from_the_defaults_are_shown_beside_them(finished: Run) -> None:
    rows = {row.key: row for row in build(finished).provenance.config}
    assert rows["seed"].value == "20261120"
    assert rows["seed"].default == "0"
    assert rows["rule.k"].default is None


def test_the_report_says_how_to_do_it_again(finished: Run) -> None:
    assert build(finished).reproduce == (
        "git checkout 1a2b3c4d5e6f",
        "python -m runner new --from-defaults model=base-2m rule.margin_pp=15.0 gate.c.train.learning_rate=0.005",
        "python -m runner advance",
    )
