"""The race of cells on dev: every round measures further blocks of tasks, and the weaker cells leave after it.

Successive halving (Jamieson & Talwalkar 2016, arXiv:1502.07943) with tasks as the resource and a schedule that is fixed
before the first sample: who is measured on what follows from the scores alone, never from time. A full grid is the
course of one round. Not covered: a cell that left does not come back, so a good one can be lost to bad luck.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from math import ceil
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt, MinLen

from env.limits import beyond_limits
from env.refusal import BadSettings
from eval.decision.cells import Cell
from eval.estimation.estimators import paired_gains
from eval.records import TaskScore

# Sums of ratios differ in the last bits with their order; numbers this close are the same number.
_DIGITS = 9

Measure = Callable[[Cell, int], Sequence[TaskScore]]
"""Measure a cell in round ``number`` (from 0); return its scores on all tasks of that round and the earlier ones."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a race thins its field.

    Attributes:
        task_pct: each round but the last ends after this percentage of the dev tasks; rising, between 0 and 100.
        min_tasks: no round ends before so many tasks; rounds that then hold nothing of their own are not held.
        keep_pct: percentage of the cells that go on after each of those rounds, rounded up.
        finalists: at least so many cells are measured on all tasks.
    """

    task_pct: Annotated[tuple[float, ...], MinLen(1)]
    min_tasks: Annotated[int, Ge(1)]
    keep_pct: Annotated[float, Gt(0), Lt(100)]
    finalists: Annotated[int, Ge(1)]

    def __post_init__(self) -> None:
        """Raises Refusal naming every key that makes no race."""
        wrong = beyond_limits(self)
        if any(before >= after for before, after in pairwise((0.0, *self.task_pct, 100.0))):
            wrong.append(f"task_pct {list(self.task_pct)} does not rise between 0 and 100")
        if wrong:
            raise BadSettings(f"{'; '.join(wrong)}.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands: what dealing tasks to rounds may know of it."""

    task_id: str
    family: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Course:
    """Who is measured on what: ``blocks`` of task ids by round, and ``fields``, the number of cells in each round."""

    blocks: tuple[tuple[str, ...], ...]
    fields: tuple[int, ...]

    @property
    def tasks(self) -> int:
        """Return the number of tasks in all."""
        return sum(len(block) for block in self.blocks)

    @property
    def search(self) -> Literal["race", "grid"]:
        """Return "race" where cells leave before the last task, "grid" where none does."""
        return "race" if len(self.blocks) > 1 else "grid"

    def samples(self, per_task: int) -> int:
        """Return how many samples the course takes."""
        return per_task * sum(cells * len(block) for cells, block in zip(self.fields, self.blocks, strict=True))

    def so_far(self, number: int) -> frozenset[str]:
        """Return the tasks of rounds 0 to ``number``."""
        return frozenset(task_id for block in self.blocks[: number + 1] for task_id in block)


@dataclass(frozen=True, slots=True)
class Standing:
    """A cell after a round: mean gains over all tasks measured so far, as fractions; None where undefined."""

    cell: Cell
    gain: float | None
    gain_at_1: float | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One round: tasks each cell has been measured on by its end, and the cells, best first."""

    tasks: int
    standings: tuple[Standing, ...]

    @property
    def kept(self) -> tuple[Cell, ...]:
        """Return the cells that go on, in order of checkpoint and scale."""
        return tuple(sorted(standing.cell for standing in self.standings if standing.kept))


@dataclass(frozen=True, slots=True)
class Race:
    """How a race went: its rounds, and every cell's scores on what it was measured on."""

    rounds: tuple[Round, ...]
    scores: Mapping[Cell, tuple[TaskScore, ...]]

    @property
    def left_after(self) -> dict[Cell, int]:
        """Return the round, counted from 1, after which each cell left; finalists are not in it."""
        return {
            standing.cell: number
            for number, held in enumerate(self.rounds, start=1)
            for standing in held.standings
            if not standing.kept
        }

    @property
    def left(self) -> dict[Cell, str]:
        """Return why each cell that left cannot be chosen."""
        return {
            cell: f"left the race after round {number} ({self.rounds[number - 1].tasks} tasks)"
            for cell, number in self.left_after.items()
        }


def grid_course(places: Sequence[Place], cells: int) -> Course:
    """Return the course on which every cell meets every task."""
    return Course((tuple(sorted(place.task_id for place in places)),), (cells,))


def race_course(places: Sequence[Place], cells: int, schedule: Schedule, seed: int) -> Course:
    """Return the course of a race: blocks are unions of whole clusters, every family in each as far as that goes.

    Deterministic in ``seed``. A round ends before its percentage is passed, but has at least one cluster; fewer
    clusters than rounds make fewer rounds, and no more cells than finalists make a grid. So early rounds, which have
    most cells, take no more than planned.
    """
    goals = round_ends(len(places), schedule)
    fields = planned_fields(cells, len(goals), schedule)
    blocks: list[tuple[str, ...]] = []
    order = _stratified(places, seed)
    for goal in goals[: len(fields) - 1]:
        block: list[str] = []
        before = sum(map(len, blocks))
        while order and (not block or before + len(block) + len(order[0]) <= goal):
            block += order.pop(0)
        if order:
            blocks.append(tuple(block))
        else:
            order.append(block)
            break
    rest = tuple(task_id for cluster in order for task_id in cluster)
    return Course((*blocks, rest), (*fields[: len(blocks)], fields[len(blocks)]))


def round_ends(tasks: int, schedule: Schedule) -> tuple[int, ...]:
    """Return after how many tasks each round but the last ends, at the latest."""
    ends = dict.fromkeys(max(schedule.min_tasks, int(tasks * percent / 100)) for percent in schedule.task_pct)
    return tuple(end for end in ends if end < tasks)


def planned_fields(cells: int, rounds: int, schedule: Schedule) -> tuple[int, ...]:
    """Return how many cells meet in each of ``rounds`` rounds and the last; rounds that send none home are not held."""
    fields = [cells]
    for _ in range(rounds):
        kept = max(schedule.finalists, ceil(round(fields[-1] * schedule.keep_pct / 100, _DIGITS)))
        if kept >= fields[-1]:
            break
        fields.append(kept)
    return tuple(fields)


def planned_samples(tasks: int, cells: int, per_task: int, schedule: Schedule) -> int:
    """Return the samples a race takes when clusters do not hinder its rounds: the figure before tasks are known."""
    ends = round_ends(tasks, schedule)
    fields = planned_fields(cells, len(ends), schedule)
    blocks = (after - before for before, after in pairwise((0, *ends[: len(fields) - 1], tasks)))
    return per_task * sum(field * block for field, block in zip(fields, blocks, strict=True))


def _stratified(places: Sequence[Place], seed: int) -> list[list[str]]:
    """Return clusters as lists of task ids: next is always one of the family of which least was dealt yet."""
    members: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(places, key=lambda place: place.task_id):
        members[place.cluster].append(place)
    waiting: dict[str, list[str]] = defaultdict(list)
    for cluster in sorted(members, key=lambda name: sha256(f"race/{seed}/{name}".encode()).digest()):
        waiting[_family(members[cluster])].append(cluster)
    totals = {family: sum(len(members[name]) for name in names) for family, names in waiting.items()}
    dealt: Counter[str] = Counter()
    order = []
    while waiting:
        family = min(waiting, key=lambda name: (dealt[name] / totals[name], -totals[name], name))
        cluster = waiting[family].pop(0)
        dealt[family] += len(members[cluster])
        order.append([place.task_id for place in members[cluster]])
        if not waiting[family]:
            del waiting[family]
    return order


def _family(members: Sequence[Place]) -> str:
    """Return a cluster's most frequent family; of equally frequent ones the first by name."""
    counts = Counter(place.family for place in members)
    return min(counts, key=lambda family: (-counts[family], family))


def run_race(cells: Sequence[Cell], base: Sequence[TaskScore], course: Course, measure: Measure, k: int) -> Race:
    """Hold every round of ``course``, in each the cells in order of checkpoint and scale.

    After a round the cells with the highest mean gain of pass@k go on: all were measured on the same tasks. Bounds are
    left to the choice among the finalists: the spread of a few clusters is itself mostly chance. Ties go to the higher
    mean gain of pass@1, then to the earlier checkpoint and the smaller scale.

    Args:
        base: the base's scores on all tasks of the course.
    """
    field, scores, rounds = sorted(cells), dict[Cell, tuple[TaskScore, ...]](), list[Round]()
    for number in range(len(course.blocks)):
        seen = course.so_far(number)
        reference = [score for score in base if score.task_id in seen]
        for cell in field:
            scores[cell] = tuple(measure(cell, number))
        is_last = number + 1 == len(course.blocks)
        going_on = len(field) if is_last else course.fields[number + 1]
        standings = _standings(reference, {cell: scores[cell] for cell in field}, going_on, k)
        rounds.append(Round(len(seen), standings))
        field = list(rounds[-1].kept)
    return Race(tuple(rounds), scores)


def _standings(
    base: Sequence[TaskScore], scores: Mapping[Cell, Sequence[TaskScore]], going_on: int, k: int
) -> tuple[Standing, ...]:
    gains = {cell: (_mean_gain(base, own, k), _mean_gain(base, own, 1)) for cell, own in scores.items()}
    ranked = sorted(gains, key=lambda cell: (*(_worse(gain) for gain in gains[cell]), cell))
    return tuple(Standing(cell, *gains[cell], kept=place < going_on) for place, cell in enumerate(ranked))


def _mean_gain(base: Sequence[TaskScore], own: Sequence[TaskScore], k: int) -> float | None:
    gains = paired_gains(base, own, k)
    return float(gains.values.mean()) if gains.n else None


def _worse(gain: float | None) -> float:
    """Return a number that sorts high gains first and undefined ones last."""
    return 2.0 if gain is None else -round(gain, _DIGITS)
