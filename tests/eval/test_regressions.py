"""What got better and what worse by group: paired, clustered, and flagged only beyond what many looks give by chance."""

from __future__ import annotations

import random

import pytest

from env.refusal import Refusal
from eval.decision.regressions import GroupGain, Precision, group_gains, movers
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import estimate_gain
from eval.records import TaskScore
from tests.support.luanti import FAMILIES

PRECISION = Precision(alpha=0.05, seed=1, resamples=2000)
KINDS = ("node", "craft", "tool", "command")
N, K = 80, 5


def arm(passes: dict[int, int], n: int = 5) -> list[TaskScore]:
    """Eighty tasks in four families and, across them, four kinds; ``passes`` of five samples, others none."""
    return [
        TaskScore(f"t{i:02d}", FAMILIES[i % 4], f"c{i // 2}", n, passes.get(i, 0), kind=KINDS[i // 4 % 4])
        for i in range(N)
    ]


LABELS = {
    "family": {f"t{i:02d}": FAMILIES[i % 4] for i in range(N)},
    "kind": {f"t{i:02d}": KINDS[i // 4 % 4] for i in range(N)},
    "difficulty": {f"t{i:02d}": str(1 + i // 40) for i in range(N)},
}


def gains(base: dict[int, int], cell: dict[int, int]) -> dict[tuple[str, str], GroupGain]:
    return {(g.by, g.name): g for g in group_gains(arm(base), arm(cell), LABELS, K, PRECISION)}


def test_every_group_of_every_division_is_there_once_with_its_tasks_and_clusters() -> None:
    found = gains({}, {0: 5})
    assert [by for by, _ in found] == ["family"] * 4 + ["kind"] * 4 + ["difficulty"] * 2
    assert [name for by, name in found if by == "family"] == sorted(FAMILIES)
    assert (found["difficulty", "1"].tasks, found["difficulty", "1"].clusters) == (40, 20)
    # a family is every fourth task, so each of its 20 tasks is alone in its cluster of two
    assert (found["family", "doc"].tasks, found["family", "doc"].clusters) == (20, 20)


def test_a_groups_gain_is_the_paired_clustered_estimate_of_its_tasks() -> None:
    base, cell = dict.fromkeys(range(0, N, 3), 1), dict.fromkeys(range(0, N, 2), 2)
    found = gains(base, cell)["kind", "tool"]
    mine = {task_id for task_id, kind in LABELS["kind"].items() if kind == "tool"}
    values = paired_gains(arm(base), arm(cell), K)
    expected = estimate_gain(values.without(set(values.task_ids) - mine), seed=1, resamples=2000, alpha=0.05)
    assert found.gain.value == pytest.approx(100 * expected.value)
    assert (found.gain.low, found.gain.high) == (100 * expected.low, 100 * expected.high)
    assert found.gain.value == pytest.approx(found.cell.value - found.base.value)


def test_a_group_shown_to_lose_is_flagged_and_one_that_may_have_lost_by_chance_is_not() -> None:
    lost = {i: 5 for i in range(N) if KINDS[i // 4 % 4] == "node"}
    some = dict.fromkeys((4, 20), 5)  # two craft tasks of twenty
    found = gains(lost | some, {})
    assert found["kind", "node"].flag == "worse"
    assert found["kind", "craft"].gain.value == -10
    assert found["kind", "craft"].flag == ""
    better = gains({}, lost)
    assert better["kind", "node"].flag == "better"
    assert better["kind", "node"].harm_p == 1.0


def test_what_one_group_alone_would_show_is_not_shown_among_twelve() -> None:
    names = [f"k{i}" for i in range(12)]
    many = {"kind": {f"t{i:02d}": names[i % 12] for i in range(N)}}
    alone = {"kind": {f"t{i:02d}": names[0] for i in range(0, N, 12)}}
    # 4 of 7 tasks lose all: one-sided p by t(6) is 0.015, below 5% and above 5%/12
    base, cell = arm(dict.fromkeys((0, 12, 24, 36), 5)), arm({})
    [one] = group_gains(base, cell, alone, K, PRECISION)
    among = {g.name: g for g in group_gains(base, cell, many, K, PRECISION)}
    assert one.flag == "worse"
    assert 0.05 / 12 < one.harm_p == among["k0"].harm_p < 0.05
    assert among["k0"].flag == ""


def test_an_adapter_that_changes_nothing_is_rarely_flagged_anywhere() -> None:
    chance = random.Random(3)
    flagged = 0
    for _ in range(60):
        arms = [arm({i: sum(chance.random() < 0.3 for _ in range(5)) for i in range(N)}) for _ in range(2)]
        flagged += any(g.flag for g in group_gains(*arms, {"kind": LABELS["kind"]}, 1, Precision(0.05, 1, 1000)))
    # each direction errs in at most 5% of experiments: 6 of 60 expected at most, 12 are three errors above it
    assert flagged <= 12


def test_exchanging_the_arms_turns_every_gain_and_every_flag() -> None:
    lost = {i: 5 for i in range(N) if KINDS[i // 4 % 4] == "node"}
    forth, back = gains(lost, {0: 1}), gains({0: 1}, lost)
    turned = {"worse": "better", "better": "worse", "": ""}
    for key, group in forth.items():
        assert back[key].gain.value == pytest.approx(-group.gain.value)
        assert back[key].flag == turned[group.flag]
    assert "worse" in {group.flag for group in forth.values()}


def test_groups_whose_tasks_lack_samples_are_left_out_and_arms_of_other_data_refused() -> None:
    assert group_gains(arm({}, n=4), arm({}), LABELS, K, PRECISION) == ()
    other = [TaskScore("t00", "doc", "c0", 5, 0)]
    with pytest.raises(Refusal, match="t00"):
        group_gains(arm({}), other, LABELS, K, PRECISION)


def test_movers_are_the_furthest_of_each_direction_and_nothing_that_stood_still() -> None:
    base, cell = arm({0: 5, 1: 1, 2: 3}), arm({3: 5, 4: 1, 2: 3})
    found = movers(base, cell, 1, at_most=1)
    assert [(m.task_id, m.gain, m.base_c, m.cell_c) for m in found.lost] == [("t00", -100.0, 5, 0)]
    assert [(m.task_id, m.gain) for m in found.gained] == [("t03", 100.0)]
    every = movers(base, cell, 1, at_most=50)
    assert [m.task_id for m in every.lost] == ["t00", "t01"]
    assert [m.task_id for m in every.gained] == ["t03", "t04"]
