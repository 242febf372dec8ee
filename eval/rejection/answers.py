"""A model's own answers to training tasks, as far as choosing needs: no text, only what names and orders it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from env.files import digest
from eval.pipeline.scoring.words import words
from eval.records import Outcome, Sample, Task

AnswerKey = tuple[str, int]
"""Task id and index: what an answer is called within its round."""
# Neither passed nor failed: nobody could look.
UNKNOWN = frozenset({Outcome.HARNESS_ERROR, Outcome.NEEDS_STUDIO})


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """One answer that a model drew for a training task.

    Attributes:
        content: the name of task and program, by which a judge grades it; "" without a program.
        program: the name of its program alone, comments and white space aside; "" without one.
        length: of the answer, in tokens and then in signs: the order of "shortest".
        whole: it ended by itself, and so did its thought.
    """

    task_id: str
    index: int
    family: str
    difficulty: int
    outcome: Outcome
    content: str
    program: str
    length: tuple[int, int]
    whole: bool

    @property
    def key(self) -> AnswerKey:
        """What it is called in its round."""
        return self.task_id, self.index

    @property
    def passed(self) -> bool:
        """Whether it passed every check."""
        return self.outcome is Outcome.PASSED

    @property
    def failed(self) -> bool:
        """Whether it was executed, or could not be, and did not pass; what nobody could look at is no failure."""
        return not self.passed and self.outcome not in UNKNOWN


def own_answers(samples: Iterable[Sample], tasks: Mapping[str, Task]) -> list[OwnAnswer]:
    """Return drawn samples as answers, in order; ``tasks`` by id."""
    return [_answer(sample, tasks[sample.task_id]) for sample in samples]


def _answer(sample: Sample, task: Task) -> OwnAnswer:
    code, completion = sample.candidate.code, sample.completion
    return OwnAnswer(
        task_id=task.id,
        index=sample.index,
        family=task.family,
        difficulty=task.difficulty,
        outcome=sample.verdict.outcome,
        content="" if code is None else digest([task.instruction, task.input, code]),
        program="" if code is None else program_name(code),
        length=(completion.tokens, len(completion.text)),
        whole=completion.finish == "stop" and not (completion.thought is not None and completion.thought.cut),
    )


@lru_cache(maxsize=200_000)
def program_name(code: str) -> str:
    """Return the name of a program: equal for two that differ in comments and white space alone."""
    return sha256("\x1f".join(words(code)).encode("utf-8", "surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn for a group of tasks.

    Attributes:
        solved: tasks with an answer that passed; ``all_pass`` those of which every judged answer did.
        samples: answers; ``passed`` of them; ``unknown`` could not be judged, or only in Studio.
        distinct: programs a task on average that differ from one another.
    """

    tasks: int
    solved: int
    all_pass: int
    samples: int
    passed: int
    unknown: int
    distinct: float


def drawn(answers: Sequence[OwnAnswer]) -> Drawn:
    """Return the counts of ``answers``."""
    by_task = per_task(answers)
    judged = {task: [one for one in own if one.outcome not in UNKNOWN] for task, own in by_task.items()}
    programs = sum(len({one.program for one in own} - {""}) for own in by_task.values())
    return Drawn(
        tasks=len(by_task),
        solved=sum(any(one.passed for one in own) for own in judged.values()),
        all_pass=sum(bool(own) and all(one.passed for one in own) for own in judged.values()),
        samples=len(answers),
        passed=sum(one.passed for one in answers),
        unknown=sum(one.outcome in UNKNOWN for one in answers),
        distinct=programs / len(by_task) if by_task else 0.0,
    )


def drawn_by(answers: Sequence[OwnAnswer], group: Callable[[OwnAnswer], str]) -> dict[str, Drawn]:
    """Return the counts of each group of ``answers``, by its name in order."""
    groups: dict[str, list[OwnAnswer]] = {}
    for answer in answers:
        groups.setdefault(group(answer), []).append(answer)
    return {name: drawn(groups[name]) for name in sorted(groups)}


def per_task(answers: Iterable[OwnAnswer]) -> dict[str, list[OwnAnswer]]:
    """Return answers by task, in order."""
    found: dict[str, list[OwnAnswer]] = {}
    for answer in answers:
        found.setdefault(answer.task_id, []).append(answer)
    return found


def solved_tasks(answers: Iterable[OwnAnswer]) -> frozenset[str]:
    """Return the tasks with an answer that passed."""
    return frozenset(answer.task_id for answer in answers if answer.passed)
