"""The instrument test: references pass, near misses and constant answers fail; under any verifier.

Gates run it before they measure, Gate A reports its findings one by one, the benchmark is validated by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from env.counts import counted
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Verifier, unsupported
from eval.records import Outcome, Task, Verdict

Kind = Literal["reference", "near miss", "constant"]
KINDS: tuple[Kind, ...] = ("reference", "near miss", "constant")
# A near miss must fail by what it does: these outcomes say that its behaviour was never checked.
NOT_TRIED = frozenset({Outcome.HARNESS_ERROR, Outcome.NO_CODE, Outcome.PATCH_REJECTED, Outcome.SYNTAX_ERROR})


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An answer known in advance to pass or fail, and its verdict.

    Attributes:
        name: unique within its task: "reference", "near miss 2", "constant 'return true'".
        why: what is wrong with a near miss, as its author says.
    """

    task: Task
    kind: Kind
    name: str
    answer: str
    why: str
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether the checks accepted it."""
        return self.verdict.outcome is Outcome.PASSED

    @property
    def fault(self) -> str:
        """What is wrong with the verdict; "" when it is as it must be."""
        said = f"{self.verdict.outcome}: {self.verdict.detail}"
        if self.kind == "reference":
            return "" if self.passed else f"its reference is {said}"
        if self.passed:
            return f"accepts {self.name}" + (f" ({self.why})" if self.why else "")
        if self.kind == "near miss" and self.verdict.outcome in NOT_TRIED:
            return f"{self.name} was not decided by the checks: {said}"
        return ""

    def __str__(self) -> str:
        """Return the fault with its task: "nodes.scaffold.a: its reference is WRONG: light"."""
        return f"{self.task.source} {self.task.id}: {self.fault}".lstrip()


def judge_known_answers(
    tasks: Sequence[Task], verifier: Verifier, constants: Sequence[str], kinds: Collection[Kind] = KINDS
) -> list[KnownAnswer]:
    """Judge the known answers of these ``kinds`` of every task; those with a ``fault`` show a wrong instrument.

    ``constants`` are the domain's answers that no task may accept.
    """
    known = [(task, *answer) for task in tasks for answer in _known_answers(task, constants) if answer[0] in kinds]
    verdicts = judge([(task, answer) for task, _, _, answer, _ in known], verifier)
    return [KnownAnswer(*answer, verdict) for answer, (_, verdict) in zip(known, verdicts, strict=True)]


def _known_answers(task: Task, constants: Sequence[str]) -> list[tuple[Kind, str, str, str]]:
    """Return (kind, name, answer, why it is wrong)."""
    return [
        ("reference", "reference", task.reference, ""),
        *(("near miss", f"near miss {n}", miss.answer, miss.why) for n, miss in enumerate(task.near_misses, start=1)),
        *(("constant", f"the constant answer {constant!r}", constant, "") for constant in constants),
    ]


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of verifying a benchmark's own answers.

    Attributes:
        faults: one sentence per wrong reference, near miss or constant, with the task's source and id.
        judged: programs executed; ``skipped`` tasks that this verifier cannot check, with the reason.
        outcomes: (task id, "reference" or "near miss N") to outcome, to compare verifiers.
    """

    verifier: str
    faults: tuple[str, ...]
    skipped: tuple[str, ...]
    judged: int
    outcomes: dict[tuple[str, str], Outcome]


def validate(tasks: Sequence[Task], verifier: Verifier, constants: Sequence[str]) -> Validation:
    """Verify every known answer of the ``tasks`` that ``verifier`` supports."""
    skipped = unsupported(verifier, tasks)
    able = [task for task in tasks if not unsupported(verifier, [task])]
    known = judge_known_answers(able, verifier, constants)
    faults = tuple(str(answer) for answer in known if answer.fault)
    outcomes = {(answer.task.id, answer.name): answer.verdict.outcome for answer in known}
    return Validation(verifier.name, faults, tuple(skipped), len(known), outcomes)


def disagreements(one: Validation, other: Validation) -> list[str]:
    """Return where one verifier says PASSED and the other not, for answers that both verified."""
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
        f"{counted(len(tasks), 'task')}: {', '.join(f'{n} {name}' for name, n in families.items())}; "
        f"{counted(len(kinds), 'kind')}; {splits['dev']} dev and {splits['test']} test clusters; "
        f"{sum(len(task.near_misses) for task in tasks)} near misses"
    )
