"""Is the benchmark a sound instrument? References pass, near misses fail, constants fail; under any verifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from eval.pipeline.loop import Verifier, judge
from eval.pipeline.verifier import unsupported
from eval.records import Outcome, Task, Verdict

CONSTANTS = ("", "return true", "local mod = {}\nreturn mod")
# A near miss must be wrong by what it does: these outcomes say that it was never really tried.
NOT_TRIED = frozenset({Outcome.HARNESS_ERROR, Outcome.NO_CODE, Outcome.PATCH_REJECTED, Outcome.SYNTAX_ERROR})


@dataclass(frozen=True, slots=True)
class Validation:
    """What judging a set of tasks by itself gave.

    Attributes:
        faults: one sentence per wrong reference, near miss or constant, with the task's source and id.
        judged: programs executed; ``skipped`` tasks that this verifier cannot judge, with the reason.
        outcomes: (task id, "reference" or "near miss N") to outcome, to compare verifiers.
    """

    verifier: str
    faults: tuple[str, ...]
    skipped: tuple[str, ...]
    judged: int
    outcomes: dict[tuple[str, str], Outcome]


def validate(tasks: Sequence[Task], verifier: Verifier) -> Validation:
    """Judge every reference, near miss and constant answer of ``tasks`` under ``verifier``."""
    skipped = unsupported(verifier, tasks)  # type: ignore[arg-type]
    able = [task for task in tasks if not unsupported(verifier, [task])]  # type: ignore[arg-type]
    answers = [(task, name, answer) for task in able for name, answer in _answers(task)]
    verdicts = [verdict for _, verdict in judge([(task, answer) for task, _, answer in answers], verifier)]
    faults = [
        f"{task.source or task.id} {task.id}: {wrong}"
        for (task, name, _), verdict in zip(answers, verdicts, strict=True)
        if (wrong := _fault(task, name, verdict))
    ]
    outcomes = {(task.id, name): v.outcome for (task, name, _), v in zip(answers, verdicts, strict=True)}
    return Validation(verifier.name, tuple(faults), tuple(skipped), len(answers), outcomes)


def _answers(task: Task) -> list[tuple[str, str]]:
    misses = [(f"near miss {number}", miss.answer) for number, miss in enumerate(task.near_misses, start=1)]
    constants = [(f"constant {constant!r}", constant) for constant in CONSTANTS]
    return [("reference", task.reference), *misses, *constants]


def _fault(task: Task, name: str, verdict: Verdict) -> str:
    """Return what is wrong with a verdict; "" when it is as it should be."""
    if name == "reference":
        return "" if verdict.outcome is Outcome.PASSED else f"its reference is {verdict.outcome}: {verdict.detail}"
    if verdict.outcome is Outcome.PASSED:
        why = task.near_misses[int(name.split()[-1]) - 1].why if name.startswith("near miss") else "a fixed answer"
        return f"{name} passes ({why})"
    if name.startswith("near miss") and verdict.outcome in NOT_TRIED:
        return f"{name} is not judged by the checks: {verdict.outcome}: {verdict.detail}"
    return ""


def disagreements(one: Validation, other: Validation) -> list[str]:
    """Return where two verifiers that both judged an answer gave one PASSED and the other not."""
    pairs = [
        (key, one.outcomes[key], other.outcomes[key]) for key in sorted(one.outcomes.keys() & other.outcomes.keys())
    ]
    return [
        f"{task_id} {name}: {one.verifier} {left}, {other.verifier} {right}"
        for (task_id, name), left, right in pairs
        if (left is Outcome.PASSED) != (right is Outcome.PASSED)
    ]


def sizes(tasks: Sequence[Task]) -> str:
    """Return what a set of tasks consists of, in one paragraph."""
    families = Counter(task.family for task in tasks)
    kinds = Counter(task.kind for task in tasks)
    splits = {s: len({t.cluster for t in tasks if t.split == s}) for s in ("dev", "test")}
    return (
        f"{len(tasks)} tasks: {', '.join(f'{n} {name}' for name, n in families.items())}; "
        f"{len(kinds)} kinds; {splits['dev']} dev and {splits['test']} test clusters; "
        f"{sum(len(task.near_misses) for task in tasks)} near misses"
    )
