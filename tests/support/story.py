"""What becomes of a made-up experiment, as data: its sizes and rates, its tasks, and the samples drawn for them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from eval.records import Candidate, CheckResult, Completion, Outcome, Sample, Task, Verdict

VERIFIER, ISOLATION = "recorder/luajit21", "process+rlimits+seccomp"
NAMES = ("oak_lamp", "copper_drill", "moss_brick", "tin_gear", "reed_basket", "salt_crystal", "clay_oven", "fern_seed")
# What a model might write to get out of being text, and a sign that turns the reading direction.
HOSTILE = '</script><img src=x onerror="window.hit=1"><script>window.hit=2</script>{{ 7*7 }} \u202e -->'
KINDS = {"scaffold": ("node", "craft", "command"), "repair": ("node", "tool"), "doc": ("node", "entity")}


@dataclass(frozen=True, slots=True)
class Story:
    """What becomes of a made-up experiment.

    Attributes:
        gates: how many gates have passed or concluded, as letters; the next one has not begun.
        gain: how much more often the best cell's program is right than the base's, as a fraction.
        markup: model text that a report must not let through as markup.
    """

    gates: str = "abcde"
    dev_tasks: int = 12
    test_tasks: int = 24
    dev_samples: int = 5
    test_samples: int = 6
    k: int = 5
    steps: tuple[int, ...] = (40, 80, 120)
    scales: tuple[float, ...] = (0.25, 0.5, 1.0)
    base_rate: float = 0.12
    gain: float = 0.4
    openings: int = 1
    waiver: str = ""
    contaminated: int = 0
    resumed_at_step: int = 70
    markup: str = "</script><img src=x onerror=alert(1)><b>&amp;"
    seed: int = 7
    resamples: int = 1000


# Enough for every gate to have something to say, and quickly made.
SMALL = Story(dev_tasks=6, test_tasks=18)


def make_tasks(story: Story) -> list[Task]:
    """Return dev and test tasks in three families, three tasks a cluster."""
    tasks = []
    for split, number in (("dev", story.dev_tasks), ("test", story.test_tasks)):
        for index in range(number):
            family = tuple(KINDS)[index % 3]
            kind = KINDS[family][index // 3 % len(KINDS[family])]
            name = f"{NAMES[index % len(NAMES)]}_{index}"
            tasks.append(
                Task(
                    id=f"{split}-{family}-{index:03d}",
                    family=family,
                    kind=kind,
                    cluster=f"{split}-{family}-{index // 9}",
                    split=split,  # type: ignore[arg-type]
                    instruction=f"Register a {kind} called mymod:{name} with light level {index % 14}, and describe it.",
                    input="",
                    answer="code",
                    reference=program(name, index % 14, True),
                    checks=(),
                )
            )
    return tasks


def program(name: str, light: int, right: bool) -> str:
    """Return a small mod that does, or does not quite do, what its task asks."""
    field_name = "light_source" if right else "light_level"
    return (
        f'core.register_node("mymod:{name}", {{\n'
        f'    description = "{name.replace("_", " ").title()}",\n'
        '    tiles = {"default_stone.png"},\n'
        f"    {field_name} = {light},\n"
        "    groups = {cracky = 3, oddly_breakable_by_hand = 1},\n"
        "})\n"
    )


def draw_sample(task: Task, index: int, arm: str, passed: bool, markup: str, chance: random.Random) -> Sample:
    """Return one sample; a wrong one fails in one of several ways, with ``markup`` in what the model wrote."""
    name = task.instruction.partition("mymod:")[2].partition(" ")[0]
    code: str | None = program(name, index + 3, passed)
    outcome, detail = Outcome.PASSED, ""
    if not passed:
        outcome, detail, code = chance.choice(
            [
                (Outcome.WRONG, "check light: light_source: expected 7, got nil", code),
                (Outcome.SYNTAX_ERROR, "line 3: '}' expected near 'tiles'", f"{code}\n-- {markup}"),
                (Outcome.RUNTIME_ERROR, 'line 1: attempt to call field "registr_node" (a nil value)', code),
                (Outcome.NO_CODE, "no program in the completion", None),
            ]
        )
    checks = (
        CheckResult("node is registered", outcome in (Outcome.PASSED, Outcome.WRONG) or None),
        CheckResult("light", passed, detail),
    )
    return Sample(
        task.id, index, arm, chance.getrandbits(62),
        Completion(code or f"I would register it {markup}", "stop", 120),
        Candidate(code, "bare", outcome=None if code else outcome, detail="" if code else detail),
        Verdict(outcome, detail, 0.002, VERIFIER, ISOLATION, checks, (f"node mymod:{name}",)),
    )  # fmt: skip
