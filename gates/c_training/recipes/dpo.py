"""Preference training: the model draws answers to training tasks, and learns to prefer those that passed.

Phases follow from files: the drawer's training, the draws, the pairs, the training on pairs. The drawer's last
checkpoint can be chosen too, so what preference training destroys is not lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from env.checks import Check, blocking, fact, judged
from env.counts import counted
from env.files import write_atomic
from eval.datasets.training_tasks import training_tasks
from eval.records import Row, Sample
from eval.rejection.answers import AnswerKey, OwnAnswer, own_answers, program_name
from eval.rejection.pairs import PairSelection, select_pairs
from eval.rejection.selection import Selection
from gates.c_training.concluding import (
    after_divergence,
    checkpoint_facts,
    checkpoint_files,
    training_checks,
    training_facts,
)
from gates.c_training.hooks import PairHooks, read_metrics
from gates.c_training.rounds.arms import Arm, Trained, own_example, train
from gates.c_training.rounds.drawing import DRAWS, INPUTS, draw
from gates.c_training.rounds.guards import clean_check, pool_checks, prompt_rows, why_nothing
from gates.c_training.rounds.pool import Pool, sound_pool
from gates.c_training.rounds.workshop import DrawingShop
from gates.context import GateContext, Progress, StopRequested, conclude
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
from gates.recipe_settings import PreferenceSection
from gates.report import GateReport
from gates.report.results import CheckpointFacts, EnvironmentResults, TrainingResults
from training.records import Example, Pair, PreferenceSettings, TrainingDiverged, TrainResult
from training.schedule import with_fewer_steps, with_steps

PAIRS = "pairs.jsonl"
# Round 0 is the drawer's, as in rejection sampling; pairs are drawn and trained on once.
ROUND = 1


class _SaysNo(Exception):
    def __init__(self, headline: str, reasons: Sequence[str]) -> None:
        super().__init__(headline)
        self.headline, self.reasons = headline, list(reasons)


def run(context: GateContext) -> GateReport:
    """Draw and train, or resume. Says no where there are no pairs, a guard blocks, or training diverged."""
    checks: list[Check] = []
    files: list[Path] = []
    try:
        with _open(context) as (shop, pool, gold):
            checks += pool_checks(pool, len(shop.dataset.rows))
            return _course(shop, gold, checks, files)
    except TrainingDiverged as error:
        headline, reasons = (
            f"diverged at step {error.step}",
            [str(error), after_divergence(context.experiment.gate.c.train)],
        )
    except _SaysNo as error:
        headline, reasons = error.headline, error.reasons
    return conclude(
        context, "failed", headline, reasons=reasons, checks=checks, files=[f for f in files if f.is_file()]
    )


def _settings(context: GateContext) -> PreferenceSection:
    settings = context.experiment.gate.c.preference
    assert settings is not None
    return settings


@contextmanager
def _open(context: GateContext) -> Iterator[tuple[DrawingShop, Pool, list[Example]]]:
    """Open verifier and model; find the tasks to draw for and the gold rows. Everything is closed at the end."""
    experiment, domain, settings = context.experiment, domain_of_experiment(context.experiment), _settings(context)
    dataset = approved_dataset(context)
    with open_judge(experiment) as verifier:
        require_same_judge(context, verifier)
        context.on_progress(Progress("testing the training tasks", 0, 0, ""))
        tasks = training_tasks(experiment.dataset, settings.tasks)
        if not tasks:
            raise _SaysNo("no training row carries checks", [f"dataset={experiment.dataset.name}: nothing is drawn."])
        pool = sound_pool(tasks, dataset.rows, domain.constant_answers, verifier)
        context.safe_point()
        context.on_progress(Progress("loading model", 0, 0, ""))
        model = loaded(context, as_recorded(experiment.model, recorded_pace(context)))
        try:
            require_same_base(model, context.earlier(EnvironmentResults))
            form = recorded_form(context)
            gold = examples_of(dataset.rows, model, form)
            require_same_training_prompts(context, gold)
            yield DrawingShop(context, settings, model, verifier, domain, dataset, pool.tasks, form), pool, gold
        finally:
            model.close()


def _course(shop: DrawingShop, gold: list[Example], checks: list[Check], files: list[Path]) -> GateReport:
    context, settings = shop.context, _settings(shop.context)
    _require_clean(shop, checks, "training tasks are clean", prompt_rows(shop.tasks.values()))
    drawer: Trained | None = None
    if settings.drawer_steps:
        schedule = with_fewer_steps(with_steps(context.experiment.gate.c.train, len(gold)), settings.drawer_steps)
        drawer = train(shop, 0, Arm("", [], gold), schedule, None, 0)
        files += [drawer.metrics, *checkpoint_files(drawer.result)]
    samples = draw(shop, ROUND, None if drawer is None else drawer.last)
    files += [shop.folder(ROUND) / name for name in (INPUTS, DRAWS)]
    answers = own_answers(samples, shop.tasks)
    constants = frozenset(map(program_name, shop.domain.constant_answers))
    selection = select_pairs(answers, settings.pairs_per_task, constants)
    by_key = {(sample.task_id, sample.index): sample for sample in samples}
    files.append(_store_pairs(shop, selection, by_key))
    checks.append(_pairs_check(answers, selection))
    _require_clean(shop, checks, "chosen answers are clean", _chosen_rows(shop, selection, by_key))
    if not selection.pairs:
        raise _SaysNo(
            "no task has an answer that passed and one that failed: nothing was trained on",
            [*why_nothing(answers, Selection((), {})), *(f"{n} tasks: {why}" for why, n in selection.without.items())],
        )
    return _on_pairs(shop, selection, by_key, drawer, checks, files)


def _on_pairs(
    shop: DrawingShop,
    selection: PairSelection,
    by_key: dict[AnswerKey, Sample],
    drawer: Trained | None,
    checks: list[Check],
    files: list[Path],
) -> GateReport:
    """Train on the pairs, from the drawer's last checkpoint, and report."""
    context, settings, config = shop.context, _settings(shop.context), shop.context.experiment.gate.c
    schedule = replace(with_steps(config.train, len(selection.pairs)), learning_rate=settings.learning_rate)
    folder = shop.folder(ROUND)
    hooks = PairHooks(context, schedule.max_steps, folder, settings)
    result = shop.model.train_pairs(
        [_pair(shop, by_key[pair.chosen], by_key[pair.rejected]) for pair in selection.pairs],
        PreferenceSettings(settings.beta, settings.nll_weight),
        config.lora,
        schedule,
        folder / "checkpoints",
        hooks,
        None if drawer is None else drawer.last.folder,
    )
    if result.status == "stopped":
        raise StopRequested
    good = replace(result, checkpoints=tuple(one for one in result.checkpoints if one.step <= hooks.good_until))
    files += [hooks.metrics, *checkpoint_files(good)]
    steps = read_metrics(hooks.metrics)
    checks += [_fall_check(hooks, good, drawer), *training_checks(context, result, steps)]
    points = [*([_facts(context, drawer.result, 0)[-1]] if drawer else []), *_facts(context, good, ROUND)]
    if not points:
        raise _SaysNo(f"ended at step {result.step} without a checkpoint", [hooks.fell])
    told = training_facts(result, steps)
    size = f"{counted(len(selection.pairs), 'pair')} of {counted(selection.tasks, 'task')}"
    early = "  ended early" if hooks.fell else ""
    return conclude(
        context,
        "passed",
        f"{size}  {counted(result.step, 'step')}  loss {told.loss_at_start:.3f} → {told.loss_at_end:.3f}{early}",
        reasons=[hooks.fell] if hooks.fell else [],
        checks=checks,
        results=TrainingResults(
            base=base_facts(shop.model),
            checkpoints=tuple(points),
            training=told,
            judge=judge_facts(shop.verifier),
        ),
        files=files,
        choices=dict(shop.model.choices),
    )


def _facts(context: GateContext, result: TrainResult, number: int) -> list[CheckpointFacts]:
    return [row.model_copy(update={"round": number}) for row in checkpoint_facts(context, result)]


def _pair(shop: DrawingShop, chosen: Sample, rejected: Sample) -> Pair:
    """Return two answers as they were drawn, after the prompt that they were drawn from."""
    better, worse = own_example(shop, chosen), own_example(shop, rejected)
    name = f"answers {chosen.index} and {rejected.index} to {chosen.task_id}"
    return Pair(better.prompt, better.answer, worse.answer, name)


def _store_pairs(shop: DrawingShop, selection: PairSelection, by_key: dict[AnswerKey, Sample]) -> Path:
    """Write pairs.jsonl whole, and again with the same bytes."""
    lines = [
        {
            "task_id": pair.chosen[0],
            "chosen": pair.chosen[1],
            "rejected": pair.rejected[1],
            "rejected_outcome": by_key[pair.rejected].verdict.outcome.value,
        }
        for pair in selection.pairs
    ]
    path = shop.folder(ROUND) / PAIRS
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines))
    return path


def _chosen_rows(shop: DrawingShop, selection: PairSelection, by_key: dict[AnswerKey, Sample]) -> list[Row]:
    """Return the chosen answers as training rows; their lines are those of pairs.jsonl."""
    rows = []
    for line, pair in enumerate(selection.pairs, start=1):
        task, text = shop.tasks[pair.chosen[0]], by_key[pair.chosen].completion.text
        rows.append(Row(task.instruction, task.input, text, task.family, task.cluster, task.kind, line))
    return rows


def _pairs_check(answers: Sequence[OwnAnswer], selection: PairSelection) -> Check:
    left = ", ".join(f"{count} tasks: {why}" for why, count in selection.without.items())
    drawn = counted(len(answers), "answer")
    return fact("pairs", f"{len(selection.pairs)} of {counted(selection.tasks, 'task')}, from {drawn}", left)


def _fall_check(hooks: PairHooks, good: TrainResult, drawer: Trained | None) -> Check:
    last = "the last good checkpoint is the drawer's" if drawer is not None else "no checkpoint is good"
    if good.checkpoints:
        last = f"the last good checkpoint is step {good.checkpoints[-1].step}"
    return judged(
        "chosen answers stay likely",
        "warn",
        not hooks.fell,
        f"{hooks.fell}; training ended at step {good.step}, {last}" if hooks.fell else "they did",
        f"less than {hooks.settings.chosen_fall_nats:g} nats a token below the start",
        reason="Preference training that lowers both answers destroys what the model could do.",
        fix="Lower gate.c.dpo.learning_rate, or raise gate.c.dpo.nll_weight or gate.c.dpo.beta.",
    )


def _require_clean(shop: DrawingShop, checks: list[Check], name: str, rows: Sequence[Row]) -> None:
    """Raise _SaysNo where ``rows`` hold anything of the tasks that measure."""
    shop.context.on_progress(Progress("looking for contamination", 0, 0, "", counted(len(rows), "row")))
    waivers = shop.context.experiment.gate.a.waivers
    check = clean_check(name, shop.dataset.tasks, rows, waivers, "what is drawn and trained on")
    checks.append(check)
    if blocking([check]):
        raise _SaysNo(f"{name}: {check.value}", [check.reason, *check.evidence[:5]])
