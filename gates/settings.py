"""The frozen experiment: every configuration section as a record. Defaults live in conf/, never here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from env.requirements import EnvironmentRules
from eval.datasets.loading import DatasetSettings
from eval.decision.racing import Schedule
from eval.decision.rule import RuleSettings
from eval.judge.settings import JudgeSettings
from eval.pipeline.sampling import SamplingSettings
from eval.pipeline.verifier import VerifierSettings
from gates.recipe_settings import RejectionSection
from gates.report.document import Document
from training.loss_watch import LossWatchSettings
from training.records import LoraSettings, ModelSettings, TrainSettings
from training.sampler import SamplerSettings
from training.schedule import checkpoint_count, with_fewer_steps, with_steps


class BackendSection(Document):
    """Which library loads, generates and trains: a module of training/backends."""

    name: str


class PromptSection(Document):
    """What every prompt says besides the task; Gate A stores the rendered prompts.

    ``system``: the text of the system turn; "" is none. Models without a chat template have no such turn.
    ``template_arguments``: what the chat template is given besides the conversation, by name; null leaves one out.
    ``answer_prefix``: text between the prompt and the answer: "auto" is the template's own, "none" is none.
    """

    system: str
    template_arguments: dict[str, str | int | float | bool | None]
    answer_prefix: str = Field(min_length=1)


class WatchSection(Document):
    """When the supervisor ends a worker that makes no progress; in no digest, since it changes no number.

    A phase that counts units may count none for ``stall_min_s`` seconds or ``stall_factor`` times the median interval
    so far, whichever is longer; for ``stall_first_s`` before there are three intervals.
    """

    stall_factor: float = Field(gt=1)
    stall_min_s: float = Field(gt=0)
    stall_first_s: float = Field(gt=0)


class EnvironmentSection(Document):
    """Gate A's configuration.

    ``waivers``: check name -> the reason to continue despite it; the report prints every one on its first page.
    ``assumed_base_pct``: the base's pass@k that planning figures assume before Gate B has measured it.
    """

    machine: EnvironmentRules
    waivers: dict[str, str | None]
    assumed_base_pct: float = Field(gt=0, lt=100)


class BaselineSection(Document):
    """Gate B's configuration; how it samples is shared with D and E.

    ``max_truncated_pct``: more completions than this cut at sampling.max_new_tokens cause a warning.
    """

    max_truncated_pct: float = Field(ge=0, le=100)


class TrainingSection(Document):
    """Gate C's configuration: adapter and schedule (training/records.py), when to stop it (training/loss_watch.py).

    ``recipe``: how it comes to its adapters, a name of gates/c_training/recipes; each reads its own section alone.
    """

    recipe: Literal["sft", "rft"]
    lora: LoraSettings
    train: TrainSettings
    watch: LossWatchSettings
    rft: RejectionSection | None

    @field_validator("train")
    @classmethod
    def _has_a_checkpoint(cls, train: TrainSettings) -> TrainSettings:
        if train.max_steps and train.checkpoint_every > train.max_steps:
            raise ValueError(
                f"checkpoint_every={train.checkpoint_every} exceeds max_steps={train.max_steps}: no checkpoint"
            )
        return train

    @model_validator(mode="after")
    def _has_its_section(self) -> TrainingSection:
        if self.rejection is None and self.recipe == "rft":
            raise ValueError("recipe=rft has no keys of its own here: choose gate/c=rft")
        return self

    @property
    def rejection(self) -> RejectionSection | None:
        """The keys of rejection sampling where it is the recipe."""
        return self.rft if self.recipe == "rft" else None


class SweepSection(Document):
    """Gate D's configuration.

    ``scales``: the LoRA scales at which every checkpoint is measured (1.0 = as trained).
    ``search``: "race" drops weaker cells early, "grid" measures every cell on every dev task.
    """

    scales: tuple[float, ...] = Field(min_length=1)
    search: Literal["race", "grid"]
    race: Schedule

    @field_validator("scales")
    @classmethod
    def _distinct_and_positive(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if any(scale <= 0 or round(scale, 2) != scale for scale in scales) or len(set(scales)) != len(scales):
            raise ValueError("scales must be distinct, above 0 and in hundredths")
        return scales


class DecisionSection(Document):
    """Gate E's configuration; the rule is frozen by Gate A.

    ``canary_prompts``: reference answers scored with and without the adapter, to see that it is really applied.
    """

    canary_prompts: int = Field(ge=1)


class GateSections(Document):
    """Each gate's own configuration."""

    a: EnvironmentSection
    b: BaselineSection
    c: TrainingSection
    d: SweepSection
    e: DecisionSection


class Experiment(Document):
    """Everything that defines an experiment.

    ``smoke``: it is too small to decide anything by design, and says so wherever a decision is shown.
    """

    profile: str
    smoke: bool
    tracker: Literal["none", "tensorboard", "wandb", "mlflow", "trackio"]
    seed: int
    model: ModelSettings
    backend: BackendSection
    sampler: SamplerSettings
    judge: JudgeSettings
    dataset: DatasetSettings
    verifier: VerifierSettings
    prompt: PromptSection
    sampling: SamplingSettings
    rule: RuleSettings
    watch: WatchSection
    gate: GateSections

    @model_validator(mode="after")
    def _enough_steps(self) -> Experiment:
        planned_training(self)
        return self

    @model_validator(mode="after")
    def _a_judge_that_counts(self) -> Experiment:
        rejection = self.gate.c.rejection
        if rejection is not None and rejection.weights.judge and self.judge.name == "none":
            raise ValueError("gate.c.rft.weights.judge is above 0 and nobody judges: choose judge=endpoint")
        return self

    @model_validator(mode="after")
    def _enough_samples(self) -> Experiment:
        fewest = min(self.sampling.samples_dev, self.sampling.samples_test)
        if fewest < self.rule.k:
            raise ValueError(
                f"rule.k={self.rule.k} needs at least as many samples a task; "
                f"sampling.samples_dev={self.sampling.samples_dev}, samples_test={self.sampling.samples_test}"
            )
        return self


def drawn_together(experiment: Experiment) -> tuple[tuple[int, ...], int]:
    """Return (how many samples may generate together, rising; processes that each generate so many)."""
    if experiment.sampler.name:
        return (experiment.sampler.concurrency,), 1
    return experiment.model.batch_sizes, experiment.model.processes


@dataclass(frozen=True, slots=True)
class PlannedTraining:
    """One training of Gate C.

    ``round``: of rejection sampling, else 0. ``arm``: "" where its checkpoints can be chosen, else what it is compared
    for. ``checkpoints``: how many of them Gate D measures.
    """

    round: int
    arm: str
    settings: TrainSettings
    checkpoints: int


def planned_trainings(experiment: Experiment, rows: int) -> list[PlannedTraining]:
    """Return what Gate C will train on ``rows`` rows, in order; rounds of rejection sampling as if all took place."""
    train, rejection = with_steps(experiment.gate.c.train, rows), experiment.gate.c.rejection
    if rejection is None:
        return [PlannedTraining(0, "", train, checkpoint_count(train))]
    planned = []
    if rejection.drawer_steps:
        planned.append(PlannedTraining(0, "", with_fewer_steps(train, rejection.drawer_steps), 1))
    planned += [
        PlannedTraining(number, "", train, checkpoint_count(train)) for number in range(1, rejection.rounds + 1)
    ]
    return planned + [PlannedTraining(rejection.rounds, arm, train, 1) for arm in rejection.controls]


def planned_draws(experiment: Experiment, rows: int) -> int:
    """Return how many answers Gate C will draw at most, where training has ``rows`` rows."""
    rejection = experiment.gate.c.rejection
    return 0 if rejection is None else rejection.rounds * rejection.samples * (rejection.tasks or rows)


def planned_work(experiment: Experiment, rows: int) -> tuple[int, int]:
    """Return how many steps Gate C will train on ``rows`` rows, and how many answers it will draw at most."""
    steps = sum(each.settings.max_steps for each in planned_trainings(experiment, rows))
    return steps, planned_draws(experiment, rows)


def planned_training(experiment: Experiment) -> TrainSettings:
    """Return the training settings with their steps counted, as far as the number of rows is known."""
    train = experiment.gate.c.train
    rows_are_counted = not experiment.dataset.is_of_files or train.max_steps
    return with_steps(train, experiment.dataset.rows) if rows_are_counted else train
