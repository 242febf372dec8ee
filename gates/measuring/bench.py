"""Measure one arm: the base or an adapter cell, on tasks of one split, with a verifier that was tested first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from env.counts import counted
from env.heartbeat import TokenCount
from env.refusal import Refusal
from env.space import size_text
from eval.datasets.loading import domain_of, load_dataset
from eval.datasets.splits import all_dev
from eval.domains import Domain, open_verifier
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.loop import Arm, Reached, Unit, measure
from eval.pipeline.prompts import PromptForm, own_stops
from eval.pipeline.result import evaluate, score_tasks
from eval.pipeline.sampling import SamplingSettings
from eval.pipeline.verifier import Verifier, VerifierSettings
from eval.records import Dataset, EvalResult, Metric, Outcome, Sample, Task, TaskScore
from gates.context import GateContext, Progress
from gates.measuring.beyond_model import require_modelled
from gates.measuring.pace import as_recorded, recorded_pace, samples_per_call
from gates.measuring.prompting import answering, prompt_of, recorded_form, require_same_prompts
from gates.measuring.served import met_again, recognised, usage_choices
from gates.measuring.thinking import marked_thinking
from gates.report.results import AnyResults, BaseFacts, EnvironmentResults, JudgeFacts
from gates.settings import Experiment
from training.backends.base import Generates, LoadedModel
from training.backends.local.hub import downloads_told
from training.models import load_model
from training.records import ModelSettings


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that measuring needs, opened: the base model, the verifier, the tasks.

    ``notes``: what was found about the model while it was opened, besides its own choices.
    """

    context: GateContext
    model: Generates
    verifier: Verifier
    dataset: Dataset
    form: PromptForm
    notes: Mapping[str, str]

    def prompt(self, task: Task) -> str:
        """Return the text of a task's prompt."""
        return prompt_of(task, self.model, self.form)

    def choices(self, files: Sequence[Path]) -> dict[str, str]:
        """Return the model's automatic choices, and what the samples in ``files`` took where a server counts them."""
        prompts = {task.id: self.prompt(task) for task in self.dataset.tasks}
        used = usage_choices(self.model, self.context.experiment, files, prompts)
        return {**self.model.choices, **self.notes, **used}

    def scored_prompt(self, task: Task) -> str:
        """Return the text after which a given answer of the task is scored: no thought comes before it."""
        return prompt_of(task, self.model, answering(self.form))

    def tasks(self, split: str) -> list[Task]:
        """Return the tasks of a split, in the dataset's order."""
        return [task for task in self.dataset.tasks if task.split == split]

    def planned(self, split: str) -> int:
        """Return how many samples one arm takes on a split."""
        return len(self.tasks(split)) * self._samples(split)

    def measure(
        self, arm: str, split: str, path: Path, phase: str, before: int, overall: int, only: Collection[str] = ()
    ) -> list[Sample]:
        """Generate and verify all samples of one arm on a split (or its ``only`` tasks), resuming from ``path``.

        Progress counts over the whole gate: ``before`` samples came earlier, ``overall`` is the total.
        """
        experiment = self.context.experiment
        sampling = replace(
            sampling_settings(experiment, self.model, self.form), samples_per_call=samples_per_call(self.context)
        )

        def on_progress(reached: Reached) -> None:
            done, later = before + reached.stored, overall - before - reached.planned
            left = reached.tokens_left + round(later * reached.tokens_each)
            tokens = TokenCount(reached.tokens, left, reached.tokens_unstored)
            self.context.on_progress(Progress("sampling", done, overall, "samples", phase, tokens))

        return measure(
            [Unit(task, self._samples(split)) for task in self.tasks(split) if not only or task.id in only],
            Arm(arm, experiment.seed, sampling),
            self.model,
            self.prompt,
            self.verifier,
            path,
            on_progress,
            self.context.safe_point,
        )

    def evaluate(self, samples: Sequence[Sample], arm: str, split: str) -> EvalResult:
        """Return scores and metrics of one arm; refuses, as ``require_judged``, when too many are missing data."""
        self.require_judged(samples, arm)
        self.context.on_progress(Progress("scoring", 0, 0, "", f"{arm} on {split}"))
        return self.result(samples, arm, split)

    def require_judged(self, samples: Sequence[Sample], whose: str) -> None:
        """Require that nearly all of ``samples`` could be verified.

        Raises:
            Refusal: more than rule.max_missing_pct of the samples are HARNESS_ERROR: the harness failed, not the model;
                or too many need the real engine.
        """
        limit_pct = self.context.experiment.rule.max_missing_pct
        lost = [s for s in samples if s.verdict.outcome == Outcome.HARNESS_ERROR]
        if len(lost) * 100 > limit_pct * len(samples):
            raise Refusal(
                f"{len(lost)} of {counted(len(samples), 'sample')} of {whose} could not be verified "
                f"(limit {limit_pct}%): {lost[0].verdict.detail}",
                "Fix the verifier (see `python -m runner doctor`), then run `advance`; stored samples are kept.",
            )
        require_modelled(samples, whose)

    def result(self, samples: Sequence[Sample], arm: str, split: str, only: Collection[str] = ()) -> EvalResult:
        """Return scores and metrics of one arm on one split, or on ``only`` those tasks of it."""
        ks = sorted({1, self.context.experiment.rule.k, self._samples(split)})
        return evaluate(samples, [t for t in self.dataset.tasks if not only or t.id in only], arm, split, ks)

    def scores(self, samples: Sequence[Sample], arm: str, only: Collection[str]) -> tuple[TaskScore, ...]:
        """Return the counts of one arm on ``only`` those tasks, without intervals."""
        return score_tasks(samples, [task for task in self.dataset.tasks if task.id in only], arm)

    def _samples(self, split: str) -> int:
        sampling = self.context.experiment.sampling
        return sampling.samples_dev if split == "dev" else sampling.samples_test


def sampling_settings(experiment: Experiment, model: Generates, form: PromptForm) -> SamplingSettings:
    """Return how completions of ``model`` are drawn: as configured, with what its own prompt format adds.

    Raises:
        Refusal: it should think, and nothing shows how it marks a thought.
    """
    settings = experiment.sampling
    stop = (*settings.stop, *own_stops(model.apply_chat_template, form))
    return replace(settings, stop=stop, thinking=marked_thinking(settings.thinking, model, form))


def dataset_of(experiment: Experiment) -> Dataset:
    """Return the experiment's tasks and rows."""
    return load_dataset(experiment.dataset)


def open_judge(experiment: Experiment, settings: VerifierSettings | None = None) -> Verifier:
    """Return a running verifier of the dataset's domain: the experiment's, or one by other ``settings``."""
    return open_verifier(domain_of_experiment(experiment), settings or experiment.verifier)


def domain_of_experiment(experiment: Experiment) -> Domain:
    """Return the domain of the experiment's dataset."""
    return domain_of(experiment.dataset)


def approved_dataset(context: GateContext) -> Dataset:
    """Return the dataset that Gate A approved, without the tasks it excluded.

    Raises:
        Refusal: the data is no longer what Gate A checked.
    """
    dataset = dataset_of(context.experiment)
    found = context.earlier(EnvironmentResults)
    if dataset.digest != found.dataset.digest:
        raise Refusal(
            "The dataset is not the one that Gate A approved: its content changed.",
            "`python -m runner rewind A`, then `advance`, uses the present one.",
        )
    kept = replace(dataset, tasks=tuple(task for task in dataset.tasks if task.id not in found.dataset.excluded))
    rule = context.frozen_rule()
    return all_dev(kept) if rule is not None and rule.selection == "max-t" else kept


def loaded(context: GateContext, settings: ModelSettings) -> LoadedModel:
    """Return the model that ``settings`` name; a download is told in the gate's pulses. Raises as ``load_model``."""

    def tell(brought: int) -> None:
        context.on_progress(Progress("loading model", 0, 0, "", f"downloading it: {size_text(brought)} so far"))

    with downloads_told(tell):
        return load_model(context.experiment.backend.name, settings)


@contextmanager
def open_bench(context: GateContext) -> Iterator[Bench]:
    """Open model, verifier and tasks; test the instrument; close everything at the end."""
    experiment = context.experiment
    dataset = approved_dataset(context)
    with open_judge(experiment) as verifier:
        require_same_judge(context, verifier)
        context.on_progress(Progress("testing the instrument", 0, 0, "", counted(len(dataset.tasks), "task")))
        require_right_instrument(dataset.tasks, verifier, domain_of_experiment(experiment).constant_answers)
        context.safe_point()
        context.on_progress(Progress("loading model", 0, 0, ""))
        model = _opened_model(context, dataset)
        try:
            form = recorded_form(context)
            require_same_prompts(context, dataset.tasks, model, form)
            context.safe_point()
            yield Bench(context, model, verifier, dataset, form, recognised(context, model))
        finally:
            model.close()


def _opened_model(context: GateContext, dataset: Dataset) -> Generates:
    """Return the base that is measured: loaded here, or met again at a server."""
    experiment = context.experiment
    if experiment.sampler.name:
        return met_again(context, dataset.tasks)
    return loaded(context, as_recorded(experiment.model, recorded_pace(context)))


def require_right_instrument(tasks: Sequence[Task], verifier: Verifier, constants: Sequence[str]) -> None:
    """Require that every reference passes and that no task accepts one of the domain's ``constants``.

    Raises:
        Refusal: names the tasks where the verifier is wrong.
    """
    known = judge_known_answers(tasks, verifier, constants, ("reference", "constant"))
    wrong = [str(answer) for answer in known if answer.fault]
    if wrong:
        raise Refusal(
            f"The verifier is wrong about {len(wrong)} known answer(s): " + "; ".join(wrong[:5]) + ".",
            "Fix the tasks or the verifier; nothing is measured with a verifier that fails its test.",
        )


def require_same_judge(context: GateContext, verifier: Verifier) -> None:
    """Require that ``verifier`` is the one that Gate A tested: verdicts of two are not compared with each other.

    Raises:
        Refusal: names both.
    """
    report = context.report("a")
    tested = [check.value for check in report.checks if check.name == "verifier"] if report is not None else []
    if tested and tested[0] != verifier.name:
        raise Refusal(
            f"Gate A tested the verifier {tested[0]}, and the one here is {verifier.name}.",
            "Install what Gate A found, or `python -m runner rewind A`, then `advance`, judges all with this one.",
        )


def require_same_base(model: Generates, earlier: AnyResults) -> None:
    """Require that ``model`` is the base that an earlier gate loaded. Raises Refusal naming the part that differs."""
    before, now = earlier.base.parts if earlier.base is not None else {}, model.identity.parts
    differing = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if differing:
        raise Refusal(
            f"The base model differs from the one Gate {earlier.gate.upper()} loaded: {', '.join(differing)}.",
            f"Restore it, or `python -m runner rewind {earlier.gate.upper()}`.",
        )


def judge_facts(verifier: Verifier) -> JudgeFacts:
    """Return verifier and isolation of the candidates, for reports."""
    return JudgeFacts(verifier=verifier.name, isolation=verifier.isolation)


def base_facts(model: Generates) -> BaseFacts:
    """Return what identifies the loaded base, for reports."""
    return BaseFacts(digest=model.identity.digest, parts=model.identity.parts, parameters=model.parameters)


def metric_text(metric: Metric) -> str:
    """Return 'pass@5 34.8 ± 3.9' of a metric in percent; 'pass@5 undefined' where it is."""
    if metric.value is None:
        return f"{metric.name} undefined"
    if metric.low is None or metric.high is None:
        return f"{metric.name} {metric.value:.1f}"
    return f"{metric.name} {metric.value:.1f} ± {(metric.high - metric.low) / 2:.1f}"


def one_process(settings: ModelSettings) -> ModelSettings:
    """Return the same base in one process: more processes only help to generate many samples."""
    return replace(settings, processes=1)
