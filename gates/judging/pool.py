"""Known answers to training tasks, each executed: what a judge is calibrated on. No dev or test task is among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from env.counts import counted
from env.refusal import Refusal
from env.silence import turn_to
from eval.datasets.derived_misses import derived_misses
from eval.datasets.loading import OF_FILES, DatasetSettings, domain_of
from eval.datasets.training_tasks import training_tasks
from eval.domains import Domain
from eval.judge.answers import Answer, Pair, pair
from eval.judge.calibration import FEWEST, Known
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Verifier
from eval.records import Outcome, Task
from gates.measuring.bench import dataset_of, domain_of_experiment, open_judge
from gates.settings import Experiment

# Of one task, of each verdict: two, so that a pair may hold two right programs, two wrong ones, or one of each.
_OF_EACH = 2
_MISSES_TRIED = 4
# Indices into (right, right, wrong, wrong): how the four answers of a task are paired, one line a task in turn. Half of
# all pairs hold one right program, a quarter two and a quarter none: the judge cannot count on either.
_WAYS = (((0, 2), (1, 3)), ((0, 1), (2, 3)), ((0, 3), (1, 2)), ((2, 3), (0, 1)))


@dataclass(frozen=True, slots=True)
class Pool:
    """Pairs of known answers, the answers themselves, where they come from, and what executed them."""

    pairs: tuple[Pair, ...]
    known: tuple[Known, ...]
    source: str
    verifier: str


def draw_pool(experiment: Experiment) -> Pool:
    """Return ``judge.candidates`` known answers to training tasks of the experiment's domain; the same each time.

    Right ones are references, as they are and laid out otherwise; wrong ones are references with a value changed. Every
    one is executed, and one whose verdict is not what it should be is left out.

    Raises:
        Refusal: the training pool gives fewer than 200.
    """
    wanted, settings = experiment.judge.candidates, _with_checks(experiment.dataset)
    domain, kept = domain_of_experiment(experiment), {(t.instruction, t.input) for t in dataset_of(experiment).tasks}
    turn_to("executing known answers to training tasks")
    with open_judge(experiment) as verifier:
        # half as many tasks give enough where each has all four answers
        tasks = [t for t in training_tasks(settings, wanted) if (t.instruction, t.input) not in kept]
        executed = _executed(tasks, domain, verifier)
        name = verifier.name
    pairs, known = _paired(tasks, executed, wanted)
    if len(known) < FEWEST:
        raise Refusal(
            f"The training rows of {settings.name} give {counted(len(known), 'known answer')} that execution confirms; "
            f"a calibration needs {FEWEST}.",
            "Use a dataset with more rows: dataset.rows=NUMBER.",
        )
    passed = sum(one.passed for one in known)
    source = f"{settings.name}, training rows, seed {settings.seed}: {passed} right and {len(known) - passed} wrong"
    return Pool(tuple(pairs), tuple(known), source, name)


def _with_checks(settings: DatasetSettings) -> DatasetSettings:
    """Return the dataset whose training rows carry checks: of files those of the domain's own benchmark do."""
    if settings.name not in OF_FILES:
        return settings
    own = domain_of(settings).datasets
    name = next((name for name, source in own.items() if not source.generated), next(iter(own)))
    return replace(settings, name=name, domain=None, eval=None, train=None, mod_name=None, rows=FEWEST)


def _executed(tasks: Sequence[Task], domain: Domain, verifier: Verifier) -> dict[str, tuple[list[str], list[str]]]:
    """Return of each task, by id, its programs that pass and those that fail, at most two of each."""
    asked = [(task, text, right) for task in tasks for text, right in _answers(task, domain)]
    verdicts = judge([(task, text) for task, text, _ in asked], verifier)
    found: dict[str, tuple[list[str], list[str]]] = {task.id: ([], []) for task in tasks}
    styled = []
    for (task, _, right), (candidate, verdict) in zip(asked, verdicts, strict=True):
        tells = verdict.outcome is Outcome.PASSED if right else _fails(verdict.outcome)
        if candidate.code is not None and tells:
            programs = found[task.id][0 if right else 1]
            if candidate.code not in programs and len(programs) < _OF_EACH:
                programs.append(candidate.code)
            if right:
                styled.append((replace(task, answer="code"), laid_out_otherwise(candidate.code)))
    for (task, text), (candidate, verdict) in zip(styled, judge(styled, verifier), strict=True):
        right_ones = found[task.id][0]
        if verdict.outcome is Outcome.PASSED and candidate.code == text and text not in right_ones:
            right_ones.append(text)
    return found


def _fails(outcome: Outcome) -> bool:
    """Whether execution shows that a program is wrong: what could not be judged shows nothing."""
    return outcome in (Outcome.WRONG, Outcome.RUNTIME_ERROR)


def _answers(task: Task, domain: Domain) -> Iterator[tuple[str, bool]]:
    yield task.reference, True
    misses = task.near_misses or derived_misses(task, domain)
    yield from ((miss.answer, False) for miss in misses[:_MISSES_TRIED])


def laid_out_otherwise(code: str) -> str:
    """Return a program with twice its indentation and no blank lines: the same program, as another hand lays it out."""
    lines = [line for line in code.strip("\n").split("\n") if line.strip()]
    return "\n".join(f"{line[: len(line) - len(line.lstrip())]}{line}" for line in lines) + "\n"


def _paired(
    tasks: Sequence[Task], executed: dict[str, tuple[list[str], list[str]]], wanted: int
) -> tuple[list[Pair], list[Known]]:
    """Return pairs until ``wanted`` answers are in them: first one of each task, then the rest of each."""
    rounds: tuple[list[tuple[Known, Known]], ...] = ([], [])
    for task, ways in zip(tasks, cycle(_WAYS), strict=False):
        right, wrong = executed[task.id]
        slots: dict[int, Known] = {place: _known(task, code, True) for place, code in enumerate(right)}
        slots |= {_OF_EACH + place: _known(task, code, False) for place, code in enumerate(wrong)}
        for number, (one, other) in enumerate(ways):
            if one in slots and other in slots:
                rounds[number].append((slots[one], slots[other]))
    chosen = [both for listed in rounds for both in listed][: wanted // 2]
    return [pair(one.answer, other.answer) for one, other in chosen], [one for both in chosen for one in both]


def _known(task: Task, code: str, passed: bool) -> Known:
    return Known(Answer(task.instruction, task.input, code), passed)
