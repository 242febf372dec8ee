"""RobloxBench' tasks by programs: references pass in both signal modes under three seeds; nothing that only looks like an
answer does: the input, the prompt, its words, the text that a pattern would look for, constants, other references."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import pytest

from eval.datasets.loading import load_dataset
from eval.domains import open_verifier
from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.verify.conditions import SEEDS, SIGNALS, Conditions
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.instrument import NOT_TRIED, judge_known_answers
from eval.pipeline.loop import judge
from eval.records import Outcome, Task
from tests.support.settings import dataset_settings, verifier_settings

# Of the tasks so many are skipped in each run of the tests; all are tried behind the mark slow.
EVERY = 5
# Every task meets so many of the other references of its family, each time others.
OTHERS = 3


def fenced(code: str) -> str:
    return f"```luau\n{code}\n```\n"


def words(task: Task) -> str:
    return " ".join(re.findall(r"[A-Za-z_]\w*", f"{task.instruction} {task.reference}"))


# What to answer instead of a program: name to the answer.
INSTEAD: dict[str, Callable[[Task], str]] = {
    "nothing": lambda task: "",
    "the input": lambda task: fenced(task.input),
    "the prompt": lambda task: f"{task.instruction}\n\n{task.input}",
    "the prompt as a comment": lambda task: fenced(f"--[==[\n{task.instruction}\n]==]"),
    "words": words,
    "words in strings": lambda task: fenced(f"local known = {{ {', '.join(repr(w) for w in words(task).split())} }}"),
    "patterns in a comment": lambda task: fenced(f"--[==[\n{task.reference}\n]==]"),
    "patterns in a string": lambda task: fenced(f"local text = [==[\n{task.reference}\n]==]\nprint(text)"),
    "patterns that never run": lambda task: fenced(f"local function never()\n{task.reference}\nend"),
    "an empty table": lambda task: fenced("return {}"),
}


@pytest.fixture(scope="module")
def tasks() -> Sequence[Task]:
    every = load_dataset(dataset_settings(name="robloxbench", dev_tasks=0, test_tasks=0, rows=1)).tasks
    return [task for task in every if task.answer != "calls"]


def unlike_answers(tasks: Sequence[Task], every: int) -> Iterator[tuple[str, Task, str]]:
    """Yield (what it is, task, answer) of what must not pass, for one task in ``every``."""
    for at, task in list(enumerate(tasks))[::every]:
        yield from ((name, task, answer(task)) for name, answer in INSTEAD.items())
        family = [other for other in tasks if other.family == task.family and other.answer == task.answer]
        others = [family[(at * 7 + 5 * step) % len(family)] for step in range(1, OTHERS + 1)]
        yield from ((f"the reference of {o.id}", task, o.reference) for o in others if o.cluster != task.cluster)


def accepted(tasks: Sequence[Task], world: World, every: int) -> list[str]:
    """Return the answers that passed or could not be judged."""
    tried = list(unlike_answers(tasks, every))
    verdicts = [verdict for _, verdict in judge([(task, answer) for _, task, answer in tried], world)]
    unfit = (Outcome.PASSED, Outcome.HARNESS_ERROR)
    return [
        f"{task.id}: {name}: {verdict.outcome}"
        for (name, task, _), verdict in zip(tried, verdicts, strict=True)
        if verdict.outcome in unfit
    ]


def test_the_conditions_are_both_signal_modes_under_three_seeds() -> None:
    assert len(Conditions.conditions) == len(SIGNALS) * len(SEEDS) == 6
    assert {condition.signals for condition in Conditions.conditions} == {"deferred", "immediate"}
    assert len({condition.seed for condition in Conditions.conditions}) == 3


@pytest.mark.heavy
def test_every_reference_passes_under_every_condition(tasks: Sequence[Task]) -> None:
    with open_verifier(DOMAIN, verifier_settings(name="conditions", workers=1)) as verifier:
        known = judge_known_answers(tasks, verifier, (), ["reference"])
    assert len(known) > 220
    assert [str(answer) for answer in known if answer.fault] == []


def test_near_misses_and_constants_fail_by_what_they_do(tasks: Sequence[Task], world: World) -> None:
    known = judge_known_answers(tasks[::EVERY], world, DOMAIN.constant_answers, ["near miss", "constant"])
    assert [str(answer) for answer in known if answer.fault] == []
    assert all(answer.verdict.outcome not in NOT_TRIED for answer in known if answer.kind == "near miss")


def test_what_only_looks_like_an_answer_never_passes(tasks: Sequence[Task], world: World) -> None:
    assert accepted(tasks, world, EVERY) == []


@pytest.mark.slow
def test_nothing_that_only_looks_like_an_answer_passes_any_task(tasks: Sequence[Task], world: World) -> None:
    assert accepted(tasks, world, 1) == []
    known = judge_known_answers(tasks, world, DOMAIN.constant_answers, ["near miss", "constant"])
    assert [str(answer) for answer in known if answer.fault] == []
