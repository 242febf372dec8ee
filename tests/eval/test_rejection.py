"""Which of a model's own answers are kept: execution is a gate, and every other rule only orders or drops."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from env.files import digest
from eval.datasets.loading import load_dataset
from eval.datasets.training_tasks import training_tasks
from eval.domains import domain_named
from eval.records import Candidate, Completion, Outcome, Sample, Task, TaskCheck, Thought, Verdict
from eval.rejection.answers import OwnAnswer, drawn, drawn_by, own_answers, program_name, solved_tasks
from eval.rejection.marks import marks_of, second_opinions
from eval.rejection.selection import Selection, SelectionRules, select
from tests.support.luanti import open_verifier
from tests.support.settings import dataset_settings, verifier_settings

RULES = SelectionRules(
    keep="shortest",
    keep_per_task=1,
    threshold=0.0,
    weights={"syntax": 1.0, "api": 1.0, "bugs": 1.0, "quality": 1.0},
    max_all_pass_pct=100.0,
    constants=frozenset({program_name("return true")}),
)
PASSED, WRONG = Outcome.PASSED, Outcome.WRONG


def answer(task: str, index: int, outcome: Outcome = PASSED, **more: object) -> OwnAnswer:
    name = f"{task}#{index}"
    made = OwnAnswer(task, index, "scaffold", 1, outcome, name, name, (10 + index, 40), True)
    return replace(made, **more)  # type: ignore[arg-type]


def names(selection: Selection) -> list[str]:
    return [f"{kept.answer.task_id}#{kept.answer.index}" for kept in selection.kept]


def chosen(answers: list[OwnAnswer], **rules: object) -> Selection:
    return select(answers, {}, {}, {}, replace(RULES, **rules))  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not PASSED])
def test_nothing_but_a_pass_is_kept_whatever_its_marks_and_its_judge_say(outcome: Outcome) -> None:
    best = {("t", 0): {"syntax": 1.0, "api": 1.0, "bugs": 1.0, "quality": 1.0}}
    assert select([answer("t", 0, outcome)], best, {}, {"t#0": 1.0}, RULES) == Selection((), {})


@pytest.mark.parametrize("outcome", [Outcome.HARNESS_ERROR, Outcome.NEEDS_STUDIO])
def test_what_nobody_could_judge_is_neither_kept_nor_a_failure(outcome: Outcome) -> None:
    unknown = answer("t", 1, outcome)
    assert not unknown.failed
    assert answer("t", 1, WRONG).failed
    found = drawn([answer("t", 0), unknown])
    assert (found.solved, found.all_pass, found.passed, found.unknown) == (1, 1, 1, 1)
    assert names(chosen([answer("t", 0), unknown])) == ["t#0"]


def test_a_constant_answer_and_one_that_serves_three_tasks_are_dropped_and_counted() -> None:
    same = [answer(task, 0, program="soup") for task in "abc"]
    constant = answer("d", 0, program=program_name("return   true -- done"))
    two = [answer(task, 0, program="pair") for task in "ef"]
    found = chosen([*same, constant, *two])
    assert names(found) == ["e#0", "f#0"]
    assert found.dropped == {"a constant answer": 1, "the program passes for more than 2 tasks": 3}


def test_an_answer_that_was_cut_is_not_taught() -> None:
    found = chosen([answer("t", 0, whole=False), answer("t", 1)])
    assert (names(found), found.dropped) == (["t#1"], {"cut at the token limit": 1})


def test_a_second_verifier_drops_what_it_rejects_and_leaves_what_it_cannot_run() -> None:
    answers = [answer("a", 0), answer("b", 0), answer("c", 0), answer("d", 0)]
    said = {("a", 0): PASSED, ("b", 0): WRONG, ("c", 0): None, ("d", 0): Outcome.HARNESS_ERROR}
    found = select(answers, {}, said, {}, RULES)
    assert names(found) == ["a#0", "c#0"]
    assert found.dropped == {"not judged by the second verifier": 1, "the second verifier disagrees": 1}


def test_the_rules_order_answers_by_length_or_score_and_keep_a_program_once() -> None:
    answers = [answer("t", 0), answer("t", 1, length=(3, 9)), answer("t", 2, program="t#1"), answer("t", 3)]
    marks = {one.key: {"syntax": 1.0, "api": 0.1 * one.index, "bugs": 1.0, "quality": 1.0} for one in answers}
    for keep, count, expected in [
        ("shortest", 1, ["t#1"]),
        ("best_score", 1, ["t#3"]),
        ("best_score", 2, ["t#3", "t#2"]),
        ("all_distinct", 9, ["t#1", "t#0", "t#3"]),
    ]:
        rules = replace(RULES, keep=keep, keep_per_task=count)  # type: ignore[arg-type]
        assert names(select(answers, marks, {}, {}, rules)) == expected
        mixed = random.Random(1).sample(answers, len(answers))
        assert names(select(mixed, marks, {}, {}, rules)) == expected, "the order of the answers decides nothing"


def test_the_threshold_reads_the_weighted_score_and_a_missing_grade_is_not_0() -> None:
    answers = [answer("a", 0), answer("b", 0)]
    marks = {one.key: {"syntax": 1.0, "api": 0.5, "bugs": 1.0, "quality": 1.0} for one in answers}
    rules = replace(RULES, weights={**RULES.weights, "judge": 4.0}, threshold=0.85)
    found = select(answers, marks, {}, {"a#0": 0.5}, rules)
    assert names(found) == ["b#0"], "a was graded (3.5 + 4 * 0.5) / 8, b by its marks alone 3.5 / 4"
    assert found.kept[0].score == pytest.approx(0.875)
    assert found.dropped == {"below the threshold": 1}


@pytest.mark.parametrize(("pct", "kept"), [(100.0, 6), (50.0, 4), (25.0, 2), (0.0, 2)])
def test_tasks_of_which_every_answer_passed_are_capped(pct: float, kept: int) -> None:
    easy = [answer(f"easy-{n}", index) for n in range(4) for index in (0, 1)]
    hard = [answer(f"hard-{n}", 0) for n in range(2)] + [answer(f"hard-{n}", 1, WRONG) for n in range(2)]
    found = chosen(easy + hard, max_all_pass_pct=pct)
    assert len(found.kept) == kept
    assert {"hard-0#0", "hard-1#0"} <= set(names(found))
    assert found.dropped.get("too many tasks of which every answer passed", 0) == 6 - kept


def test_a_round_is_counted_by_group() -> None:
    answers = [answer("a", 0), answer("a", 1), answer("b", 0, WRONG, family="repair"), answer("b", 1, family="repair")]
    assert solved_tasks(answers) == {"a", "b"}
    assert {name: one.solved for name, one in drawn_by(answers, lambda one: one.family).items()} == {
        "repair": 1,
        "scaffold": 1,
    }
    assert (drawn(answers).all_pass, drawn(answers).distinct) == (1, 2.0)


# ------------------------------------------------------------------------------------------------- from samples


def sample(task: Task, index: int, code: str | None, outcome: Outcome, **completion: object) -> Sample:
    text = Completion(code or "", "stop", 5)
    verdict = Verdict(outcome, "", 0.0, "recorder", "none")
    candidate = Candidate(code, "bare", outcome=None if code else Outcome.NO_CODE)
    return Sample(task.id, index, "round-1", 0, replace(text, **completion), candidate, verdict)  # type: ignore[arg-type]


def task(name: str) -> Task:
    check = TaskCheck("says so", "equal(says, true)")
    return Task(name, "scaffold", "k", "c", "dev", f"Do {name}.", "given", "code", "says = true", (check,))


def test_answers_are_named_by_task_and_program_and_know_whether_they_ended_by_themselves() -> None:
    asked = task("a")
    samples = [
        sample(asked, 0, "says = true -- so", PASSED),
        sample(asked, 1, "says   = true", PASSED, finish="length"),
        sample(asked, 2, "says = true", PASSED, thought=Thought(9, cut=True)),
        sample(asked, 3, None, Outcome.NO_CODE),
    ]
    found = own_answers(samples, {"a": asked})
    assert len({one.program for one in found[:3]}) == 1
    assert found[3].program == found[3].content == ""
    assert found[0].content == digest(["Do a.", "given", "says = true -- so"])
    assert [one.whole for one in found] == [True, False, False, True]


def test_only_what_passed_has_marks_and_a_second_verifier_executes_it_again() -> None:
    asked = next(task for task in training_tasks(dataset_settings(rows=20), 0) if task.answer == "code")
    tasks, right = {asked.id: asked}, asked.reference
    samples = [sample(asked, 0, right, PASSED), sample(asked, 1, "return true", WRONG)]
    assert list(marks_of(samples, tasks, domain_named("luanti"))) == [(asked.id, 0)]
    with open_verifier(verifier_settings(workers=1)) as verifier:
        said = second_opinions([*samples, sample(asked, 2, None, Outcome.NO_CODE)], tasks, verifier)
    assert said == {(asked.id, 0): PASSED, (asked.id, 1): WRONG, (asked.id, 2): None}


# ------------------------------------------------------------------------------------------------- training rows as tasks


@pytest.mark.parametrize("name", ["luanti_mini", "roblox_mini", "luantibench", "robloxbench"])
def test_training_rows_carry_checks_and_are_the_very_rows(name: str) -> None:
    settings = dataset_settings(
        name=name, rows=40, dev_tasks=3 * name.endswith("mini"), test_tasks=3 * name.endswith("mini")
    )
    rows, tasks = load_dataset(settings).rows, training_tasks(settings, 0)
    assert [(t.instruction, t.input, t.reference, t.family) for t in tasks] == [
        (r.instruction, r.input, r.output, r.family) for r in rows
    ]
    assert all(task.checks or task.worlds for task in tasks)
    assert len({task.id for task in tasks}) == 40


def test_more_training_tasks_than_rows_are_tasks_without_a_gold_answer() -> None:
    settings = dataset_settings(rows=20)
    more = training_tasks(settings, 50)
    assert more[:20] == training_tasks(settings, 0)
    assert (len(more), len(training_tasks(settings, 5))) == (50, 5)


def test_rows_of_files_carry_no_checks() -> None:
    assert training_tasks(dataset_settings(name="jsonl", domain="luanti", eval="a", train="b"), 0) == ()
