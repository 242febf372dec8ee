"""The race of cells: fixed rounds over whole clusters, fair to every family, and blind to order and time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.refusal import Refusal
from eval.decision.cells import Cell
from eval.decision.racing import (
    Course,
    Place,
    Race,
    Schedule,
    grid_course,
    planned_fields,
    planned_samples,
    race_course,
    run_race,
)
from eval.records import TaskScore

SCHEDULE = Schedule(task_pct=(10.0, 20.0), min_tasks=6, keep_pct=40.0, finalists=2)
CELLS = tuple(Cell(step, scale) for step in (40, 80, 120) for scale in (0.25, 0.5, 1.0))
# 34 scaffold, 16 repair, 10 doc: the dev tasks of luanti_mini at its default size.
FAMILIES = ["scaffold"] * 34 + ["repair"] * 16 + ["doc"] * 10


def places(families=FAMILIES, per_cluster: int = 1) -> list[Place]:
    return [Place(f"t{i:03d}", family, f"{family}-{i // per_cluster}") for i, family in enumerate(families)]


def scored(passes: dict[str, int], n: int = 5) -> list[TaskScore]:
    at = {place.task_id: place for place in places()}
    return [TaskScore(t, at[t].family, at[t].cluster, n, c) for t, c in sorted(passes.items())]


def measured(rates: dict[Cell, int], course: Course):
    """Every task of a cell passes ``rates[cell]`` of 5 times; return the callback and what it was asked for."""
    asked: list[tuple[Cell, int]] = []

    def measure(cell: Cell, number: int) -> list[TaskScore]:
        asked.append((cell, number))
        return scored(dict.fromkeys(course.so_far(number), rates[cell]))

    return measure, asked


def held(rates: dict[Cell, int], course: Course, k: int = 5) -> Race:
    base = scored(dict.fromkeys((place.task_id for place in places()), 0))
    return run_race(list(rates), base, course, measured(rates, course)[0], k)


def test_the_default_race_takes_870_samples_where_the_grid_takes_2700():
    course = race_course(places(), 9, SCHEDULE, seed=0)
    assert [len(block) for block in course.blocks] == [6, 6, 48]
    assert course.fields == (9, 4, 2)
    assert course.samples(5) == planned_samples(60, 9, 5, SCHEDULE) == 870
    assert grid_course(places(), 9).samples(5) == 2700


def test_the_whole_protocol_at_default_sizes_costs_less_than_the_usual_rule():
    from runner.runs.config import compose_experiment

    experiment = compose_experiment([])[0]
    schedule = experiment.gate.d.race
    assert schedule == SCHEDULE
    dev, test, drawn = experiment.dataset.dev_tasks, experiment.dataset.test_tasks, experiment.sampling
    race = planned_samples(dev, 9, drawn.samples_dev, schedule)
    assert dev * drawn.samples_dev + race + 2 * test * drawn.samples_test == 2970
    assert 9 * 60 * 5 + 60 * 5 == 3000


def test_blocks_hold_every_task_once_and_never_cut_a_cluster():
    everywhere = places(per_cluster=3)
    course = race_course(everywhere, 9, SCHEDULE, seed=4)
    dealt = [task_id for block in course.blocks for task_id in block]
    assert sorted(dealt) == [place.task_id for place in everywhere]
    cluster_of = {place.task_id: place.cluster for place in everywhere}
    for one, block in enumerate(course.blocks):
        for other in course.blocks[one + 1 :]:
            assert {cluster_of[t] for t in block}.isdisjoint(cluster_of[t] for t in other)


def test_every_block_has_every_family_in_about_its_share():
    family_of = {place.task_id: place.family for place in places()}
    for seed in range(20):
        for block in race_course(places(), 9, SCHEDULE, seed).blocks[:2]:
            counts = Counter(family_of[task_id] for task_id in block)
            # of 6 tasks 3.4, 1.6 and 1.0 are due
            assert 2 <= counts["scaffold"] <= 4
            assert 1 <= counts["repair"] <= 3
            assert counts["doc"] <= 2
        first_two = [t for block in race_course(places(), 9, SCHEDULE, seed).blocks[:2] for t in block]
        assert set(Counter(family_of[t] for t in first_two)) == {"scaffold", "repair", "doc"}


def test_the_course_follows_from_the_seed_alone_and_not_from_the_order_of_tasks():
    shuffled = places()
    random.Random(3).shuffle(shuffled)
    assert race_course(shuffled, 9, SCHEDULE, 7) == race_course(places(), 9, SCHEDULE, 7)
    assert race_course(places(), 9, SCHEDULE, 7) != race_course(places(), 9, SCHEDULE, 8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    cells=st.integers(1, 50),
    percents=st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True),
    keep=st.integers(1, 99),
    finalists=st.integers(1, 4),
    least=st.integers(1, 8),
)
def test_any_tasks_and_cells_make_a_course_that_ends_with_all_tasks(sizes, cells, percents, keep, finalists, least):
    schedule = Schedule(tuple(map(float, sorted(percents))), least, float(keep), finalists)
    tasks = [Place(f"c{c}-{i}", "doc", f"c{c}") for c, size in enumerate(sizes) for i in range(size)]
    course = race_course(tasks, cells, schedule, seed=1)
    assert sorted(t for block in course.blocks for t in block) == sorted(place.task_id for place in tasks)
    assert len(course.blocks) == len(course.fields)
    assert all(course.blocks)
    assert course.fields[0] == cells
    assert all(before > after for before, after in zip(course.fields, course.fields[1:], strict=False))
    assert min(cells, finalists) <= course.fields[-1]
    assert course.samples(1) <= grid_course(tasks, cells).samples(1)
    if max(sizes) == 1:
        # no cluster is in the way of a round's end
        assert course.samples(1) == planned_samples(len(tasks), cells, 1, schedule)


def test_one_cell_and_one_cluster_are_a_grid():
    assert race_course(places(), 1, SCHEDULE, 0).fields == (1,)
    together = [replace(place, cluster="all") for place in places()]
    course = race_course(together, 9, SCHEDULE, 0)
    assert (course.fields, len(course.blocks)) == ((9,), 1)


def test_a_round_of_fewer_tasks_than_the_least_is_not_held():
    few = places(["doc"] * 12)
    # 10% and 20% of 12 tasks are 1 and 2: both rounds would end after 6, so only one is held
    course = race_course(few, 9, SCHEDULE, 0)
    assert [len(block) for block in course.blocks] == [6, 6]
    assert course.fields == (9, 4)
    assert planned_fields(9, 2, SCHEDULE) == (9, 4, 2)


def test_the_better_cells_continue_and_the_best_is_a_finalist():
    rates = {cell: min(5, place // 2) for place, cell in enumerate(CELLS)}
    race = held(rates, race_course(places(), 9, SCHEDULE, 0), k=1)
    # rates 0 0 1 1 2 2 3 3 4: the best three, and of the two that tie behind them the earlier
    assert race.rounds[0].kept == (CELLS[4], *CELLS[6:])
    assert race.rounds[1].kept == race.rounds[2].kept == (CELLS[6], CELLS[8])
    assert {len(race.scores[cell]) for cell in (*CELLS[:4], CELLS[5])} == {6}
    assert len(race.scores[CELLS[8]]) == 60
    assert race.left_after[CELLS[0]] == 1
    assert race.left[CELLS[0]] == "left the race after round 1 (6 tasks)"


def test_only_cells_that_continued_are_measured_again_in_order_of_checkpoint_and_scale():
    course = race_course(places(), 9, SCHEDULE, 0)
    rates = {cell: 5 if cell.step == 120 else 0 for cell in CELLS}
    measure, asked = measured(rates, course)
    base = scored(dict.fromkeys((place.task_id for place in places()), 0))
    run_race(list(reversed(CELLS)), base, course, measure, 5)
    assert [cell for cell, number in asked if number == 0] == list(CELLS)
    # the three of step 120, and of the six that tie at nothing the first
    assert [cell for cell, number in asked if number == 1] == [CELLS[0], *CELLS[6:]]
    assert [cell for cell, number in asked if number == 2] == [CELLS[6], CELLS[7]]


def test_a_tie_of_pass_at_k_goes_to_the_cell_that_passes_more_often_then_to_the_earlier_one():
    # with 5 samples pass@5 is 1 for each of them: one pass in five against four
    rates = dict.fromkeys(CELLS, 1) | {CELLS[4]: 4}
    race = held(rates, race_course(places(), 9, SCHEDULE, 0))
    assert CELLS[4] in race.rounds[-1].kept
    assert race.rounds[0].kept == (*CELLS[:3], CELLS[4])
    assert [s.cell for s in race.rounds[0].standings][:2] == [CELLS[4], CELLS[0]]


def test_a_cell_without_a_valid_sample_comes_last_and_not_at_zero():
    course = race_course(places(), 9, SCHEDULE, 0)
    base = scored(dict.fromkeys((place.task_id for place in places()), 5))

    def measure(cell: Cell, number: int) -> list[TaskScore]:
        n, c = (0, 0) if cell == CELLS[0] else (5, 0)
        return scored(dict.fromkeys(course.so_far(number), c), n)

    race = run_race(CELLS, base, course, measure, 5)
    assert race.rounds[0].standings[-1].cell == CELLS[0]
    assert race.rounds[0].standings[-1].gain is None


def test_cells_are_compared_by_gain_where_a_task_is_missing_to_one_of_them():
    course = Course((("t000", "t001"), ("t002",)), (2, 1))
    base = scored({"t000": 5, "t001": 0, "t002": 0})
    lacks_the_easy_one = [replace(score, n=0, c=0) if score.task_id == "t000" else score for score in scored({"t000": 0, "t001": 0})]  # fmt: skip
    answers = {CELLS[0]: lacks_the_easy_one, CELLS[1]: scored({"t000": 5, "t001": 0})}
    race = run_race(CELLS[:2], base, course, lambda cell, number: answers[cell], 5)
    # neither gained anything; by rates the second would have won on a task that the first was not asked
    assert [standing.gain for standing in race.rounds[0].standings] == [0.0, 0.0]
    assert race.rounds[0].kept == (CELLS[0],)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task_pct": (20.0, 10.0)}, "task_pct"),
        ({"task_pct": ()}, "task_pct"),
        ({"task_pct": (10.0, 100.0)}, "task_pct"),
        ({"keep_pct": 100.0}, "keep_pct is 100"),
        ({"finalists": 0}, "finalists is 0"),
        ({"min_tasks": 0}, "min_tasks is 0"),
    ],
)
def test_a_schedule_that_is_no_race_is_refused_by_key(change, sentence):
    with pytest.raises(Refusal, match=sentence):
        replace(SCHEDULE, **change)
