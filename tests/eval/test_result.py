"""From sample lines to scores: what counts, what is missing, what is refused."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from env.refusal import Refusal
from eval.estimation.estimators import pass_at_k
from eval.pipeline.result import evaluate, families_of, missing_share
from eval.records import Candidate, Completion, Outcome, Sample, Task, TaskCheck, Thought, Verdict, sample_from_json


def task(task_id: str, family: str = "scaffold", cluster: str = "", split: str = "dev") -> Task:
    return Task(
        id=task_id,
        family=family,
        kind="node",
        cluster=cluster or task_id,
        split=split,
        instruction="do",
        input="",
        answer="code",
        reference="return 1",
        checks=(TaskCheck("c", "expect(true)"),),
    )


def sample(
    task_id: str, index: int, outcome: Outcome = Outcome.PASSED, arm: str = "base", finish: str = "stop"
) -> Sample:
    return Sample(
        task_id=task_id,
        index=index,
        arm=arm,
        seed=1000 + index,
        completion=Completion(f"return {index}", finish, 3),
        candidate=Candidate(f"return {index}", "bare"),
        verdict=Verdict(outcome, "", 0.01, "recorder", "process"),
    )


def draws(task_id: str, outcomes: str) -> list[Sample]:
    """P passed, W wrong, S syntax error, H harness error."""
    named = {"P": Outcome.PASSED, "W": Outcome.WRONG, "S": Outcome.SYNTAX_ERROR, "H": Outcome.HARNESS_ERROR}
    return [sample(task_id, i, named[letter]) for i, letter in enumerate(outcomes)]


TASKS = [task("a", "repair"), task("b", "scaffold"), task("c", "scaffold"), task("t", "doc", split="test")]


def test_pass_at_k_is_the_mean_over_tasks_in_percent():
    result = evaluate([*draws("a", "PWWWW"), *draws("b", "WWWWW"), *draws("c", "PPPPP")], TASKS, "base", "dev", (1, 5))
    values = {metric.name: metric.value for metric in result.metrics}
    assert values == {"pass@1": pytest.approx(100 * (0.2 + 0 + 1) / 3), "pass@5": pytest.approx(200 / 3)}
    assert [metric.unit for metric in result.metrics] == ["%", "%"]
    assert result.metrics[0].n == 3


def test_a_harness_error_is_missing_and_neither_pass_nor_fail():
    result = evaluate(draws("a", "PWHHWW"), TASKS, "base", "dev", (1,))
    score = next(score for score in result.scores if score.task_id == "a")
    assert (score.n, score.c, score.missing) == (4, 1, 2)
    assert result.harness_errors == 2
    assert result.samples == 6
    assert result.metrics[0].value == pytest.approx(25.0)


def test_tasks_without_samples_are_scored_zero_of_zero_and_listed_as_missing():
    result = evaluate(draws("a", "PPPPP"), TASKS, "base", "dev", (5,))
    assert result.missing_tasks == ("b", "c")
    assert [(score.task_id, score.n) for score in result.scores] == [("a", 5), ("b", 0), ("c", 0)]
    assert result.metrics[0].n == 1
    assert result.metrics[0].note == "2 of 3 tasks have fewer than 5 valid samples"


def test_pass_at_k_without_enough_samples_is_none_and_not_zero():
    metric = evaluate(draws("a", "PP"), TASKS, "base", "dev", (5,)).metrics[0]
    assert (metric.value, metric.low, metric.high, metric.n, metric.k) == (None, None, None, 0, 5)


def test_other_splits_and_other_arms_are_passed_over():
    lines = [*draws("a", "PPPPP"), *draws("t", "WWWWW"), replace(sample("a", 0), arm="step-000100_x0.50")]
    result = evaluate(lines, TASKS, "base", "dev", (1,))
    assert result.samples == 5
    assert {score.task_id for score in result.scores} == {"a", "b", "c"}
    assert evaluate(lines, TASKS, "base", "test", (1,)).outcomes == {"WRONG": 5}


def test_outcomes_and_truncations_are_counted():
    lines = [*draws("a", "PWSHW"), sample("b", 0, Outcome.WRONG, finish="length")]
    result = evaluate(lines, TASKS, "base", "dev", (1,))
    assert result.outcomes == {"PASSED": 1, "WRONG": 3, "SYNTAX_ERROR": 1, "HARNESS_ERROR": 1}
    assert result.truncated == 1


def test_an_answer_that_passed_or_was_not_judged_is_not_cut_short():
    cut = [sample("a", n, outcome, finish="length") for n, outcome in enumerate(Outcome)]
    [score, *_] = evaluate(cut, TASKS, "base", "dev", (1,)).scores
    assert (score.cut_short, score.n, score.missing) == (len(Outcome) - 2, len(Outcome) - 1, 1)


def test_thoughts_and_answers_are_counted_apart():
    thought = replace(sample("a", 0), completion=Completion("<think>x</think>y", "stop", 30, Thought(20, cut=False)))
    out_of_budget = replace(sample("a", 1), completion=Completion("<think>x</think>y", "length", 50, Thought(40, True)))
    plain = replace(sample("a", 2), completion=Completion("y", "stop", 7))
    result = evaluate([thought, out_of_budget, plain], TASKS, "base", "dev", (1,))
    assert (result.thoughts, result.thoughts_cut, result.truncated) == (2, 1, 1)
    assert (result.thought_tokens, result.answer_tokens) == (60, 27)


@pytest.mark.parametrize("thought", [None, Thought(5, cut=True)])
def test_a_stored_sample_comes_back_with_its_thought_and_without_one_has_no_such_key(thought):
    kept = replace(sample("a", 0), completion=Completion("y", "stop", 7, thought))
    data = json.loads(json.dumps(kept.to_json()))
    assert sample_from_json(data) == kept
    assert ("thought" in data["completion"]) == (thought is not None)


def test_a_line_repeated_by_a_resumed_run_counts_once_though_it_was_judged_in_another_time():
    line = sample("a", 0)
    again = replace(line, verdict=replace(line.verdict, seconds=9.0, verifier="other"))
    assert evaluate([line, again], TASKS, "base", "dev", (1,)).samples == 1


@pytest.mark.parametrize(
    "change",
    [
        {"completion": Completion("other", "stop", 3)},
        {"seed": 7},
        {"candidate": Candidate("other", "bare")},
        {"verdict": Verdict(Outcome.WRONG, "", 0.01, "recorder", "process")},
    ],
)
def test_two_different_samples_with_one_task_and_index_are_refused_by_name(change):
    lines = [sample("a", 3), sample("b", 1), replace(sample("a", 3), **change)]
    with pytest.raises(Refusal, match=r"share a task and index: a #3\."):
        evaluate(lines, TASKS, "base", "dev", (1,))


def test_samples_of_an_unknown_task_are_refused_by_name():
    with pytest.raises(Refusal, match="does not have: zz"):
        evaluate([sample("zz", 0)], TASKS, "base", "dev", (1,))


def test_the_order_of_lines_changes_nothing():
    lines = [*draws("a", "PWPWW"), *draws("b", "WWSHP"), *draws("c", "PPPPP")]
    shuffled = lines[:]
    random.Random(4).shuffle(shuffled)
    assert evaluate(shuffled, TASKS, "base", "dev", (1, 5)) == evaluate(lines, TASKS, "base", "dev", (1, 5))


def test_the_result_is_recomputable_from_json_lines_alone():
    lines = [*draws("a", "PWPWW"), *draws("b", "WHSWP")]
    again = [sample_from_json(line.to_json()) for line in lines]
    assert evaluate(again, TASKS, "base", "dev", (1, 5)) == evaluate(lines, TASKS, "base", "dev", (1, 5))


def test_families_are_reported_apart_and_by_name():
    result = evaluate([*draws("a", "PPPPP"), *draws("b", "WWWWW"), *draws("c", "PWWWW")], TASKS, "base", "dev", (5,))
    assert list(result.by_family) == ["repair", "scaffold"]
    assert result.by_family["repair"][0].value == 100.0
    assert result.by_family["scaffold"][0].value == pytest.approx(50.0)
    assert families_of(result.scores) == ("repair", "scaffold")


def test_tasks_of_one_cluster_widen_the_interval():
    apart = [task(f"t{i:02d}") for i in range(20)]
    together = [replace(one, cluster=f"c{i // 5}") for i, one in enumerate(apart)]
    lines = [line for i in range(20) for line in draws(f"t{i:02d}", "PPPPP" if i < 10 else "WWWWW")]
    lone = evaluate(lines, apart, "base", "dev", (1,)).metrics[0]
    clustered = evaluate(lines, together, "base", "dev", (1,)).metrics[0]
    assert lone.value == clustered.value == 50.0
    assert clustered.high - clustered.low > 1.5 * (lone.high - lone.low)


def test_the_missing_share_counts_unjudged_and_undrawn_samples_alike():
    result = evaluate([*draws("a", "PWWHH"), *draws("b", "PPP"), *draws("c", "WWWWW")], TASKS, "base", "dev", (1,))
    assert missing_share(result.scores, 5) == pytest.approx((2 + 2 + 0) / 15)
    assert missing_share((), 5) is None


def test_pass_at_5_of_ten_samples_uses_all_ten():
    result = evaluate(draws("a", "PPPWWWWWWW"), TASKS, "base", "dev", (5,))
    assert result.metrics[0].value == pytest.approx(100 * pass_at_k(10, 3, 5))
