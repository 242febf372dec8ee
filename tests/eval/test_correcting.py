"""What a model is told of its own answer, which answers are asked again, and what a turn gave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eval.correcting.feedback import feedback, shown_answer
from eval.correcting.result import fresh_samples, turn_results
from eval.correcting.rows import corrected, repair_rows
from eval.correcting.turns import Quality, after_turn, asked_again, turn_id
from eval.domains.luanti.domain import DOMAIN, LUA
from eval.pipeline.result import pass_metrics, score_tasks
from eval.records import Candidate, CheckResult, Completion, Outcome, Sample, Task, TaskCheck, TaskScore, Verdict

SECRET = "the lamp shines at level 14"


def task(task_id: str = "t", answer: str = "code") -> Task:
    check = TaskCheck(SECRET, "fail()")
    return Task(task_id, "scaffold", "node", task_id, "dev", "Make a lamp.", "", answer, "x = 1", (check,))  # type: ignore[arg-type]


def sample(
    outcome: Outcome, detail: str = "", *, task_id: str = "t", index: int = 0, tokens: int = 10, **more: Any
) -> Sample:
    code = more.pop("code", "local lamp = 1\nlocal unread = 2\nreturn lamp")
    candidate = Candidate(code, "bare") if code is not None else Candidate(None, "empty", "", outcome, detail)
    verdict = Verdict(outcome, detail, 0.1, "recorder", "none", **more)
    return Sample(task_id, index, "base", 7, Completion(code or "", "stop", tokens), candidate, verdict)


REACHED = (CheckResult(SECRET, False, f"{SECRET}: expected 14, got 3"),)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.HARNESS_ERROR])
def test_runtime_feedback_says_nothing_of_a_check_that_ran(outcome: Outcome) -> None:
    told = feedback(task(), sample(outcome, f"{SECRET}: expected 14, got 3", checks=REACHED), "runtime", DOMAIN)
    assert "shines" not in told
    assert "14" not in told


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [
        (Outcome.RUNTIME_ERROR, "init.lua:3: attempt to index a nil value (global 'lamp')"),
        (Outcome.SYNTAX_ERROR, "init.lua:1: unexpected symbol near '='"),
    ],
)
def test_runtime_feedback_holds_the_programs_own_error(outcome: Outcome, detail: str) -> None:
    not_reached = (CheckResult(SECRET, None),)
    assert detail in feedback(task(), sample(outcome, detail, checks=not_reached), "runtime", DOMAIN)


def test_a_rejected_diff_is_told_why_and_asked_for_as_a_diff() -> None:
    failed = sample(Outcome.PATCH_REJECTED, "hunk 1 fits nowhere", code=None)
    told = feedback(task(answer="diff"), failed, "runtime", DOMAIN)
    assert "hunk 1 fits nowhere" in told
    assert "corrected diff" in told


def test_findings_of_reading_are_told_and_marks_are_those_of_a_program_that_passed() -> None:
    """An unread local lowers quality; that no check passed would lower it to a quarter, and must not show."""
    found = ('node mymod:lamp: unknown field "group"',)
    told = {
        outcome: feedback(task(), sample(outcome, checks=REACHED, findings=found), "runtime", DOMAIN)
        for outcome in (Outcome.WRONG, Outcome.PASSED)
    }
    assert found[0] in told[Outcome.WRONG]
    assert told[Outcome.WRONG].split("\n")[1:] == told[Outcome.PASSED].split("\n")[1:]
    assert "nothing unused or repeated 0.50" in told[Outcome.WRONG]


def test_only_feedback_of_checks_names_them() -> None:
    told = feedback(task(), sample(Outcome.WRONG, SECRET, checks=REACHED), "checks", DOMAIN)
    assert f"- {SECRET}: {SECRET}: expected 14, got 3" in told


def test_an_answer_is_shown_without_its_thought_and_an_empty_one_says_so() -> None:
    thought = sample(Outcome.WRONG)
    thought = replace(thought, completion=Completion("<think>\nsecret plan\n</think>\n\nreturn 1", "stop", 9))
    assert shown_answer(thought, LUA) == "return 1"
    assert shown_answer(sample(Outcome.NO_CODE, "the model wrote nothing", code=None), LUA) == "(nothing)"


def test_failed_answers_are_asked_again_missing_ones_are_not_and_poor_ones_only_below_the_threshold() -> None:
    answers = [
        sample(Outcome.PASSED, index=0),
        sample(Outcome.WRONG, index=1),
        sample(Outcome.HARNESS_ERROR, index=2),
        sample(Outcome.PASSED, index=3, code="return 1"),
    ]
    tasks, weights = {"t": task()}, {"syntax": 0.0, "api": 0.0, "bugs": 0.0, "quality": 1.0}
    assert [one.index for one in asked_again(answers, tasks, None)] == [1]
    assert [one.index for one in asked_again(answers, tasks, Quality(0.9, DOMAIN, weights))] == [0, 1]


def drawn(index: int, outcome: Outcome, turn: int, tokens: int = 20) -> Sample:
    return sample(outcome, task_id=turn_id("t", index, turn), tokens=tokens)


def test_no_turn_is_the_gates_own_pass_at_1_to_the_digit() -> None:
    tasks = [task("t"), task("u"), task("never answered")]
    first = [sample(Outcome.PASSED if i % 3 else Outcome.WRONG, task_id=t, index=i) for t in "tu" for i in range(5)]
    [row] = turn_results([first], [], [], tasks, "base")
    assert row.pass_1 == pass_metrics(score_tasks(first, tasks, "base"), (1,))[0]
    assert row.fresh.rate.value == row.pass_1.value
    assert row.fresh.draws == 1.0
    assert row.gain.value == row.over_fresh.value == 0.0


def test_a_turn_counts_what_it_fixed_and_broke_and_its_tokens() -> None:
    first = [
        sample(Outcome.PASSED, index=0, tokens=10),
        sample(Outcome.WRONG, index=1, tokens=10),
        sample(Outcome.WRONG, index=2, tokens=10),
        sample(Outcome.PASSED, index=3, tokens=10),
    ]
    new = [drawn(0, Outcome.WRONG, 1), drawn(1, Outcome.PASSED, 1), drawn(2, Outcome.HARNESS_ERROR, 1)]
    after = after_turn(first, new, 1)
    assert [(one.task_id, one.index) for one in after] == [("t", index) for index in range(4)]
    row = turn_results([first, after], [first[:3]], [1], [task()], "base")[1]
    assert (row.asked, row.asked_passed, row.fixed, row.broke, row.missing, row.too_long) == (3, 1, 1, 1, 1, 1)
    assert (row.tokens, row.tokens_so_far, row.passed, row.tokens_per_solved) == (60, 100, 2, 50.0)
    # of the three that could be judged
    assert row.pass_1.value == pytest.approx(100 * 2 / 3)


def score(task_id: str, n: int, c: int) -> TaskScore:
    return TaskScore(task_id, "scaffold", task_id, n, c)


def test_fresh_samples_stop_at_the_first_that_passes_too() -> None:
    """One task, 4 stored samples of 10 tokens, 2 pass: a second draw is needed half the time.

    At most 2 draws cost 4 * 10 * (1 + 1/2) = 60 tokens and solve 1 - C(2,2)/C(4,2) = 5/6.
    """
    bought = fresh_samples([score("t", 4, 2)], {"t": 10.0}, 60.0)
    assert (bought.draws, bought.is_exhausted) == (2.0, False)
    assert bought.rates == {"t": pytest.approx(5 / 6)}
    between = fresh_samples([score("t", 4, 2)], {"t": 10.0}, 50.0)
    assert between.draws == pytest.approx(1.5)
    assert between.rates["t"] == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_a_budget_beyond_the_stored_samples_is_said_to_be() -> None:
    bought = fresh_samples([score("t", 2, 0)], {"t": 10.0}, 1000.0)
    assert (bought.draws, bought.is_exhausted, bought.rates) == (2.0, True, {"t": 0.0})
    solved = fresh_samples([score("t", 2, 2)], {"t": 10.0}, 20.0)
    assert (solved.rates, solved.is_exhausted) == ({"t": 1.0}, False)


def test_only_what_was_fixed_becomes_a_row_each_once() -> None:
    first = [sample(Outcome.WRONG, index=0), sample(Outcome.WRONG, index=1), sample(Outcome.PASSED, index=2)]
    new = [
        replace(drawn(0, Outcome.PASSED, 1), completion=Completion("return 9", "stop", 3)),
        drawn(1, Outcome.WRONG, 1),
        drawn(2, Outcome.PASSED, 1),
    ]
    said = {("t", 0): "It is wrong.", ("t", 1): "It is wrong.", ("t", 2): "It can be better."}
    found = corrected(first, after_turn(first, new, 1), {"t": task()}, said, LUA)
    [row] = repair_rows([*found, *found])
    assert (row.instruction, row.output, row.family) == ("Make a lamp.", "return 9", "scaffold")
    assert "local unread = 2" in row.input
    assert row.input.endswith("It is wrong.")
