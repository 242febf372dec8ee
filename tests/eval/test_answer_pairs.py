"""Pairs of answers are a pure choice: one that passed, one that failed, of one task, each program once."""

from __future__ import annotations

import random

import pytest

from eval.records import Outcome
from eval.rejection.answers import OwnAnswer
from eval.rejection.pairs import AnswerPair, select_pairs


def answer(
    task: str, index: int, outcome: Outcome, program: str = "", length: int = 10, whole: bool = True
) -> OwnAnswer:
    name = program or f"{task}-{index}"
    return OwnAnswer(task, index, "scaffold", 1, outcome, name, name, (length, length), whole)


GOOD, BAD = Outcome.PASSED, Outcome.WRONG


def test_the_shortest_that_passed_is_preferred_to_the_first_that_failed() -> None:
    answers = [
        answer("t", 0, BAD),
        answer("t", 1, GOOD, length=30),
        answer("t", 2, GOOD, length=5),
        answer("t", 3, BAD),
    ]
    assert select_pairs(answers, 1, ()).pairs == (AnswerPair(("t", 2), ("t", 0)),)
    assert select_pairs(answers, 5, ()).pairs == (
        AnswerPair(("t", 2), ("t", 0)),
        AnswerPair(("t", 1), ("t", 3)),
    )


def test_the_shorter_side_begins_again_and_no_task_gives_more_than_its_share() -> None:
    answers = [answer("t", 0, GOOD), *(answer("t", index, BAD) for index in range(1, 6))]
    chosen = select_pairs(answers, 3, ())
    assert [pair.rejected[1] for pair in chosen.pairs] == [1, 2, 3]
    assert {pair.chosen[1] for pair in chosen.pairs} == {0}
    assert chosen.tasks == 1


def test_the_order_of_the_answers_changes_no_pair() -> None:
    stream = random.Random(7)
    answers = [answer(f"t{n % 5}", n, GOOD if stream.random() < 0.5 else BAD, length=n % 4) for n in range(40)]
    straight = select_pairs(answers, 4, ())
    stream.shuffle(answers)
    assert select_pairs(answers, 4, ()).pairs == straight.pairs


@pytest.mark.parametrize(
    "useless",
    [
        answer("t", 1, GOOD, whole=False),
        answer("t", 1, Outcome.HARNESS_ERROR),
        answer("t", 1, Outcome.NEEDS_STUDIO),
        answer("t", 1, GOOD, program="constant"),
    ],
)
def test_what_is_cut_off_unknown_or_constant_is_in_no_pair(useless: OwnAnswer) -> None:
    chosen = select_pairs([answer("t", 0, BAD), useless], 2, ("constant",))
    assert (chosen.pairs, chosen.without) == ((), {"no answer that passed": 1})


def test_a_program_that_answers_more_than_two_tasks_is_preferred_in_none() -> None:
    answers = [one for n in range(3) for one in (answer(f"t{n}", 0, GOOD, program="same"), answer(f"t{n}", 1, BAD))]
    assert select_pairs(answers, 2, ()).without == {"no answer that passed": 3}
    assert select_pairs(answers[:4], 2, ()).tasks == 2


def test_tasks_that_give_none_are_counted_by_reason() -> None:
    answers = [answer("a", 0, GOOD), answer("b", 0, BAD), answer("c", 0, GOOD), answer("c", 1, BAD)]
    assert select_pairs(answers, 2, ()).without == {"no answer that failed": 1, "no answer that passed": 1}
