"""The tasks of an experiment before it runs: what each checks, whether its reference passes, and any program judged."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from env.refusal import Refusal, choices_hint
from eval.datasets.derived_misses import derived_misses
from eval.datasets.splits import choose_selection
from eval.pipeline.instrument import KnownAnswer, judge_known_answers
from eval.pipeline.loop import judge
from eval.records import Candidate, Remark, Task, Verdict
from gates.measuring.bench import dataset_of, domain_of_experiment, open_judge
from gates.settings import Experiment


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
    tasks = {task.id: task for task in dataset_of(experiment).tasks}
    if task_id not in tasks:
        raise Refusal(f'The dataset has no task "{task_id}".', choices_hint(task_id, tasks))
    with open_judge(experiment, replace(experiment.verifier, workers=1)) as verifier:
        [(candidate, verdict)] = judge([(tasks[task_id], text)], verifier)
    return JudgedProgram(tasks[task_id], candidate, verdict)
