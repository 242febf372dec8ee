"""The tasks of an experiment before it runs: what each checks, whether its reference passes, and any program judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from env.refusal import Refusal, choices_hint
from eval.datasets.derived_misses import derived_misses
from eval.datasets.splits import choose_selection
from eval.pipeline.instrument import (
    KnownAnswer,
    Validation,
    disagreements,
    judge_known_answers,
    sizes,
    validate,
)
from eval.pipeline.loop import judge
from eval.pipeline.prompts import render
from eval.records import Candidate, Remark, Task, Verdict
from gates.measuring.bench import dataset_of, domain_of_experiment, open_judge
from gates.measuring.prompting import form_of
from gates.settings import Experiment
from training.models import texts_of


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task with the verdict on its reference, and how many wrong answers to it are known and accepted."""

    task: Task
    reference: Verdict
    wrong: int
    accepted: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self.task), "verdict": asdict(self.reference), "wrong": self.wrong, "accepted": self.accepted}


@dataclass(frozen=True, slots=True)
class Listing:
    """The tasks of a dataset in order, what of its files was not used, and what judged them in which isolation.

    ``selection`` is how a run would select and decide, with the reason: under "max-t" on dev and test tasks together.
    """

    name: str
    tasks: tuple[ListedTask, ...]
    remarks: tuple[Remark, ...]
    verifier: str
    isolation: str
    selection: tuple[str, str]


@dataclass(frozen=True, slots=True)
class JudgedProgram:
    """A text judged as an answer to a task: the program found in it, and the verdict."""

    task: Task
    candidate: Candidate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Tested:
    """The instrument test under one verifier; where that is ``unusable`` here, why, and nothing was judged."""

    verifier: str
    isolation: str = ""
    validation: Validation | None = None
    unusable: str = ""


@dataclass(frozen=True, slots=True)
class TestedTasks:
    """The instrument test of a dataset's tasks under each verifier, and where two of these disagree.

    ``bare`` are the ids of tasks without a near miss of their own.
    """

    name: str
    sizes: str
    tested: tuple[Tested, ...]
    disagreements: tuple[str, ...]
    bare: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether a known answer was not judged as it must be, or nothing could be judged."""
        found = [one.validation for one in self.tested if one.validation is not None]
        return not found or bool(self.disagreements) or any(one.faults or one.judged == 0 for one in found)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name,
            "sizes": self.sizes,
            "verifiers": [
                {
                    "verifier": one.verifier,
                    "isolation": one.isolation,
                    "unusable": one.unusable,
                    "judged": 0 if one.validation is None else one.validation.judged,
                    "faults": [] if one.validation is None else one.validation.faults,
                    "skipped": [] if one.validation is None else one.validation.skipped,
                }
                for one in self.tested
            ],
            "disagreements": self.disagreements,
            "without near misses": self.bare,
        }


@dataclass(frozen=True, slots=True)
class ShownTask:
    """A task with its prompt, and what rendered that."""

    task: Task
    prompt: str
    model: str
    rendered_by: str


def validate_tasks(experiment: Experiment, verifiers: Sequence[str]) -> TestedTasks:
    """Return the instrument test of the experiment's tasks under ``verifiers``; of none, under all that are usable.

    Raises:
        Refusal: one that is named is not usable here.
    """
    dataset, domain = dataset_of(experiment), domain_of_experiment(experiment)
    names = list(verifiers) or [name for name in domain.verifiers if name != "auto"]
    tested = []
    for name in names:
        try:
            with open_judge(experiment, replace(experiment.verifier, name=name)) as verifier:
                found = validate(dataset.tasks, verifier, domain.constant_answers)
                tested.append(Tested(found.verifier, verifier.isolation, found))
        except Refusal as refusal:
            if verifiers:
                raise
            tested.append(Tested(name, unusable=str(refusal)))
    validations = [one.validation for one in tested if one.validation is not None]
    disagreeing = [line for one, other in combinations(validations, 2) for line in disagreements(one, other)]
    bare = tuple(task.id for task in dataset.tasks if not task.near_misses)
    return TestedTasks(dataset.name, sizes(dataset.tasks), tuple(tested), tuple(disagreeing), bare)


def show_task(experiment: Experiment, task_id: str) -> ShownTask:
    """Return a task ("": the first) with the prompt that the experiment's model would read.

    Raises:
        Refusal: there is no such task, or the model's tokenizer cannot be read.
    """
    tasks = {task.id: task for task in dataset_of(experiment).tasks}
    task = _task_named(tasks, task_id or next(iter(tasks), ""))
    texts = texts_of(experiment.backend.name, experiment.model)
    form = form_of(experiment, datetime.now(UTC))
    prompt = render(task.instruction, task.input, texts.chat, replace(form, system=task.system or form.system))
    return ShownTask(task, prompt, experiment.model.path, texts.choices["prompt"])


def list_tasks(experiment: Experiment) -> Listing:
    """Return every task of the experiment's dataset, its reference and its known wrong answers judged."""
    dataset, domain = dataset_of(experiment), domain_of_experiment(experiment)
    tasks = [
        task if task.near_misses else replace(task, near_misses=derived_misses(task, domain)) for task in dataset.tasks
    ]
    with open_judge(experiment) as verifier:
        known = judge_known_answers(tasks, verifier, (), ["reference", "near miss"])
    listed = tuple(_listed(task, known) for task in dataset.tasks)
    selection = choose_selection(experiment.rule.selection, dataset.tasks)
    return Listing(dataset.name, listed, dataset.remarks, verifier.name, verifier.isolation, selection)


def _listed(task: Task, known: list[KnownAnswer]) -> ListedTask:
    own = [answer for answer in known if answer.task.id == task.id]
    wrong = [answer for answer in own if answer.kind == "near miss"]
    reference = next(answer.verdict for answer in own if answer.kind == "reference")
    return ListedTask(task, reference, len(wrong), tuple(answer.why for answer in wrong if answer.passed))


def judge_program(experiment: Experiment, task_id: str, text: str) -> JudgedProgram:
    """Return the verdict on ``text`` as an answer to a task of the experiment's dataset.

    Raises:
        Refusal: there is no such task.
    """
    task = _task_named({task.id: task for task in dataset_of(experiment).tasks}, task_id)
    with open_judge(experiment, replace(experiment.verifier, workers=1)) as verifier:
        [(candidate, verdict)] = judge([(task, text)], verifier)
    return JudgedProgram(task, candidate, verdict)


def _task_named(tasks: Mapping[str, Task], task_id: str) -> Task:
    if task_id not in tasks:
        raise Refusal(f'The dataset has no task "{task_id}".', choices_hint(task_id, tasks))
    return tasks[task_id]
