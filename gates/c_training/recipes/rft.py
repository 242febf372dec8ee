"""Rejection sampling: rounds that draw, choose by execution, and train, beside arms that a gain is compared with.

What a trial on the embedded model found stands in docs/rft.md: most of a round's gain is more training steps, so the
control arms are part of the recipe. Its judge of what is right is execution alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from env.checks import Check, blocking
from env.counts import counted
from env.files import write_atomic
from eval.decision.cells import checkpoint_name
from eval.records import Dataset, Row, Sample
from eval.rejection.answers import AnswerKey, drawn, drawn_by, solved_tasks
from gates.c_training.concluding import (
    after_divergence,
    checkpoint_facts,
    checkpoint_files,
    training_checks,
    training_facts,
)
from gates.c_training.rounds.arms import Arm, Gold, Trained, control_arm, gold_of, kept_arm, train
from gates.c_training.rounds.choosing import SCORES, SELECTED, Chosen, choose
from gates.c_training.rounds.drawing import DRAWS, INPUTS, draw
from gates.c_training.rounds.grading import require_judge
from gates.c_training.rounds.guards import (
    clean_check,
    pool_checks,
    prompt_rows,
    selected_rows,
    selection_checks,
    why_nothing,
)
from gates.c_training.rounds.pool import Pool, find_pool
from gates.c_training.rounds.workshop import Workshop
from gates.context import GateContext, Progress, conclude
from gates.measuring.bench import (
    approved_dataset,
    base_facts,
    domain_of_experiment,
    judge_facts,
    loaded,
    open_judge,
    require_same_base,
    require_same_judge,
)
from gates.measuring.pace import as_recorded, recorded_pace
from gates.measuring.prompting import examples_of, recorded_form, require_same_training_prompts
from gates.report import GateReport
from gates.report.results import CheckpointFacts, EnvironmentResults, TrainingResults
from gates.report.rounds import ArmFacts, RoundFacts
from training.records import AdapterCheckpoint, Example, TrainingDiverged, TrainSettings
from training.schedule import with_fewer_steps, with_steps

ROUND = "round.json"


class SaysNo(Exception):
    """The recipe measured, and the answer is no."""

    def __init__(self, headline: str, reasons: Sequence[str]) -> None:
        super().__init__(headline)
        self.headline = headline
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True)
class Round:
    """A round that was trained on: what it drew, and what it started from."""

    number: int
    samples: Mapping[AnswerKey, Sample]
    chosen: Chosen
    beside: Sequence[Example]
    start: Path | None
    trained: Trained


@dataclass(slots=True)
class Course:
    """What the rounds have led to so far.

    Attributes:
        trained: every finished training whose checkpoints can be chosen, the drawer's first.
        solved: tasks that a round has solved.
        files: what belongs to the gate besides checkpoints.
    """

    checks: list[Check]
    trained: list[Trained] = field(default_factory=list)
    controls: list[Trained] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    facts: list[RoundFacts] = field(default_factory=list)
    solved: frozenset[str] = frozenset()
    files: list[Path] = field(default_factory=list)

    @property
    def newest(self) -> AdapterCheckpoint | None:
        """The adapter that draws next; None is the base."""
        return self.trained[-1].last if self.trained else None

    @property
    def steps(self) -> int:
        """Steps of all trainings so far."""
        return sum(one.result.step for one in (*self.trained, *self.controls))


def run(context: GateContext) -> GateReport:
    """Draw, choose and train, or resume. Says no where nothing is kept, a guard blocks, or training diverged."""
    course, train_settings = Course([]), context.experiment.gate.c.train
    try:
        with _open(context) as (shop, pool, gold):
            require_judge(shop)
            course.checks += pool_checks(pool, len(shop.dataset.rows))
            _require_clean(context, course, "training tasks are clean", prompt_rows(shop.tasks.values()), shop.dataset)
            _rounds(shop, course, gold)
            return _report(shop, course)
    except TrainingDiverged as error:
        headline, reasons = f"diverged at step {error.step}", [str(error), after_divergence(train_settings)]
    except SaysNo as error:
        headline, reasons = error.headline, error.reasons
    files = [file for file in course.files if file.is_file()]
    return conclude(context, "failed", headline, reasons=reasons, checks=course.checks, files=files)


@contextmanager
def _open(context: GateContext) -> Iterator[tuple[Workshop, Pool, Gold]]:
    """Open verifier and model; find the tasks to draw for and the gold rows. Everything is closed at the end."""
    experiment, domain = context.experiment, domain_of_experiment(context.experiment)
    rejection, dataset = experiment.gate.c.rejection, approved_dataset(context)
    assert rejection is not None
    with open_judge(experiment) as verifier:
        require_same_judge(context, verifier)
        context.on_progress(Progress("testing the training tasks", 0, 0, ""))
        pool = find_pool(experiment, dataset.rows, domain, verifier)
        context.safe_point()
        context.on_progress(Progress("loading model", 0, 0, ""))
        model = loaded(context, as_recorded(experiment.model, recorded_pace(context)))
        try:
            require_same_base(model, context.earlier(EnvironmentResults))
            form = recorded_form(context)
            examples = examples_of(dataset.rows, model, form)
            require_same_training_prompts(context, examples)
            gold = gold_of(examples, [(row.instruction, row.input) for row in dataset.rows], pool.tasks)
            shop = Workshop(context, rejection, model, verifier, domain, dataset, pool.tasks, form)
            yield shop, pool, gold
        finally:
            model.close()


def _rounds(shop: Workshop, course: Course, gold: Gold) -> None:
    """Train the drawer, then round after round, then the arms that the last round is compared with."""
    settings = with_steps(shop.context.experiment.gate.c.train, len(gold.examples))
    if shop.settings.drawer_steps:
        fewer = with_fewer_steps(settings, shop.settings.drawer_steps)
        course.trained.append(_train(shop, course, 0, Arm("", [], gold.examples), fewer, None))
    for number in range(1, shop.settings.rounds + 1):
        follows = _round(shop, course, gold, number)
        _store(shop, course.facts[:-1])
        if not follows:
            break
    _controls(shop, course, gold)
    course.files += _store(shop, course.facts)


def _store(shop: Workshop, rounds: Sequence[RoundFacts]) -> list[Path]:
    """Write round.json of finished rounds, the last file of each, and return these files."""
    files = [shop.folder(facts.round) / ROUND for facts in rounds]
    for file, facts in zip(files, rounds, strict=True):
        write_atomic(file, facts.model_dump_json(indent=2) + "\n")
    return files


def _round(shop: Workshop, course: Course, gold: Gold, number: int) -> bool:
    """Draw, choose and train; return whether the next round may follow."""
    samples = draw(shop, number, course.newest)
    course.files += [shop.folder(number) / name for name in (INPUTS, DRAWS)]
    by_key = {(sample.task_id, sample.index): sample for sample in samples}
    chosen = choose(shop, number, samples)
    course.files += [*(shop.folder(number) / name for name in (SCORES, SELECTED)), *chosen.graded.files]
    course.checks += chosen.graded.checks
    before = course.facts[-1] if course.facts else None
    facts = _facts(course, number, chosen)
    course.facts.append(facts)
    course.solved |= solved_tasks(chosen.answers)
    course.checks += selection_checks(number, chosen.answers, chosen.selection, before, facts.drawn)
    rows = selected_rows(chosen.selection, by_key, shop.tasks)
    _require_clean(shop.context, course, f"round {number} is clean", rows, shop.dataset)
    if not chosen.selection.kept and not course.rounds:
        why = why_nothing(chosen.answers, chosen.selection)
        raise SaysNo(f"round {number}: no answer was kept, nothing was trained on", why)
    ended = not chosen.selection.kept or (shop.settings.stop_when == "nothing_new" and number > 1)
    if ended and not (chosen.selection.kept and facts.new_solved):
        return False
    beside = gold.beside(chosen.selection, shop.settings.gold)
    arm = kept_arm(shop, by_key, chosen.selection, beside)
    settings = with_steps(shop.context.experiment.gate.c.train, len(arm.examples))
    newest = course.newest
    start = newest.folder if newest is not None and shop.settings.start == "previous" else None
    trained = _train(shop, course, number, arm, settings, start)
    course.trained.append(trained)
    course.rounds.append(Round(number, by_key, chosen, beside, start, trained))
    course.facts[-1] = facts.model_copy(update={"arms": (_arm_facts(trained),)})
    return True


def _controls(shop: Workshop, course: Course, gold: Gold) -> None:
    """Train the arms that the last round is compared with: from its start, for as many steps."""
    last = course.rounds[-1]
    settings = with_fewer_steps(
        with_steps(shop.context.experiment.gate.c.train, len(last.trained.arm.examples)), last.trained.result.step
    )
    for name in shop.settings.controls:
        arm = control_arm(name, shop, last.samples, last.chosen.answers, gold, last.beside)
        if arm is not None:
            course.controls.append(_train(shop, course, last.number, arm, settings, last.start))
    place = next(place for place, facts in enumerate(course.facts) if facts.round == last.number)
    arms = tuple(_arm_facts(one) for one in (last.trained, *course.controls))
    course.facts[place] = course.facts[place].model_copy(update={"arms": arms})


def _train(
    shop: Workshop, course: Course, number: int, arm: Arm, settings: TrainSettings, start: Path | None
) -> Trained:
    trained = train(shop, number, arm, settings, start, course.steps)
    course.files += [trained.metrics, *checkpoint_files(trained.result)]
    return trained


def _facts(course: Course, number: int, chosen: Chosen) -> RoundFacts:
    drawer = course.trained[-1] if course.trained else None
    return RoundFacts(
        round=number,
        drawer="base" if drawer is None else checkpoint_name(drawer.last.step, drawer.round, ""),
        drawn=drawn(chosen.answers),
        by_family=drawn_by(chosen.answers, lambda one: one.family),
        by_difficulty=drawn_by(chosen.answers, lambda one: str(one.difficulty)),
        new_solved=len(solved_tasks(chosen.answers) - course.solved),
        kept=len(chosen.selection.kept),
        kept_tasks=len(chosen.selection.tasks),
        dropped=chosen.selection.dropped,
        second_verifier=chosen.second_verifier,
        arms=(),
    )


def _arm_facts(trained: Trained) -> ArmFacts:
    told = training_facts(trained.result, trained.steps)
    return ArmFacts(
        arm=trained.arm.name,
        steps=trained.result.step,
        own=len(trained.arm.own),
        gold=len(trained.arm.gold),
        loss_at_start=told.loss_at_start,
        loss_at_end=told.loss_at_end,
    )


def _require_clean(context: GateContext, course: Course, name: str, rows: Sequence[Row], dataset: Dataset) -> None:
    """Raise SaysNo where ``rows`` hold anything of the tasks that measure."""
    context.on_progress(Progress("looking for contamination", 0, 0, "", counted(len(rows), "row")))
    check = clean_check(name, dataset.tasks, rows, context.experiment.gate.a.waivers, "what is drawn and trained on")
    course.checks.append(check)
    if blocking([check]):
        raise SaysNo(f"{name}: {check.value}", [check.reason, *check.evidence[:5]])


def _report(shop: Workshop, course: Course) -> GateReport:
    context, last = shop.context, course.rounds[-1]
    drawer = [one for one in course.trained if one.round == 0]
    rounds = [one for one in course.trained if one.round]
    checkpoints = [
        *(_checkpoints(context, one)[-1] for one in drawer),
        *(facts for one in rounds for facts in _checkpoints(context, one)),
    ]
    learnt = training_facts(last.trained.result, last.trained.steps)
    kept = course.facts[last.number - 1]
    return conclude(
        context,
        "passed",
        f"{counted(len(course.rounds), 'round')}  kept {counted(kept.kept, 'answer')} to {kept.kept_tasks} of "
        f"{counted(kept.drawn.tasks, 'task')}  loss {learnt.loss_at_start:.3f} → {learnt.loss_at_end:.3f}",
        checks=[*course.checks, *training_checks(context, last.trained.result, last.trained.steps)],
        results=TrainingResults(
            base=base_facts(shop.model),
            checkpoints=tuple(checkpoints),
            training=learnt,
            controls=tuple(_checkpoints(context, one)[-1] for one in course.controls),
            rounds=tuple(course.facts),
            judge=judge_facts(shop.verifier),
        ),
        files=course.files,
        choices=dict(shop.model.choices),
    )


def _checkpoints(context: GateContext, trained: Trained) -> list[CheckpointFacts]:
    arm, number = trained.arm.name, trained.round
    facts = checkpoint_facts(context, trained.result)
    return [row.model_copy(update={"round": number, "arm": arm}) for row in facts]
