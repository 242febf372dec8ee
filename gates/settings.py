"""The frozen experiment: every configuration section as a record. Defaults live in conf/, never here."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from env.refusal import choices_hint
from eval.datasets.loading import FILES, is_generated
from eval.domains import DOMAINS, dataset_names
from eval.pipeline.sampling import SamplingSettings
from eval.pipeline.verifier import VerifierSettings
from gates.report.document import Document
from training.loss_watch import LossWatchSettings
from training.records import LoraSettings, ModelSettings, TrainSettings
from training.schedule import with_steps


class BackendSection(Document):
    """Which library loads, generates and trains: a module of training/backends."""

    name: str


class DatasetSection(Document):
    """Where tasks and training rows come from.

    ``dev_tasks``, ``test_tasks`` and ``rows`` size a generated dataset (0: all that luantibench or a file has);
    ``eval`` and ``train`` are JSONL files of a read one or folders of them, ``domain`` what they are about, ``waived``
    sources that are trained on although their licence does not allow it, ``mod_name`` the mod that its programs run as
    (null: read from prompts and programs). ``shuffle_answers`` permutes the answers among training rows: the negative
    control.
    ``exclude_broken_references``: measure without tasks whose own reference fails, instead of refusing them.
    """

    name: str
    eval: str | None
    train: str | None
    domain: str
    waived: tuple[str, ...]
    seed: int
    dev_tasks: int = Field(ge=0)
    test_tasks: int = Field(ge=0)
    rows: int = Field(ge=0)
    shuffle_answers: bool
    exclude_broken_references: bool
    mod_name: str | None = Field(pattern=r"^[a-z0-9_]{1,64}$")

    @model_validator(mode="after")
    def _files_for_jsonl(self) -> DatasetSection:
        if self.domain not in DOMAINS:
            raise ValueError(f'there is no domain "{self.domain}". {choices_hint(self.domain, DOMAINS)}')
        if self.name == FILES:
            missing = [key for key in ("eval", "train") if not getattr(self, key)]
            if missing:
                raise ValueError(" and ".join(f"{key}=FILE" for key in missing) + " needed with name=jsonl")
            return self
        if self.name not in dataset_names():
            raise ValueError(choices_hint(self.name, [*dataset_names(), FILES]))
        if self.mod_name is not None:
            raise ValueError(f"mod_name is for files of your own: the tasks of {self.name} name their mod")
        if is_generated(self.name) and not self.tasks_known:
            raise ValueError(f"dev_tasks and test_tasks must be at least 1 with name={self.name}")
        if not self.rows:
            raise ValueError(f"rows must be at least 1 with name={self.name}")
        return self

    @property
    def tasks_known(self) -> bool:
        """Whether ``dev_tasks`` and ``test_tasks`` say how many tasks there will be, before the dataset is loaded."""
        return self.name != FILES and self.dev_tasks > 0 and self.test_tasks > 0


class PromptSection(Document):
    """What every prompt says besides the task; Gate A stores the rendered prompts.

    ``system``: the text of the system turn; "" is none. Models without a chat template have no such turn.
    """

    system: str


class SamplingSection(Document):
    """How completions are drawn, and how many: ``samples_dev`` per dev task, ``samples_test`` per test task.

    ``samples_per_call``: of one generation call; 0 lets Gate A size it to about a minute of work.
    """

    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    top_k: int = Field(ge=0)
    max_new_tokens: int = Field(ge=1)
    stop: tuple[Annotated[str, Field(min_length=1)], ...]
    samples_dev: int = Field(ge=1)
    samples_test: int = Field(ge=1)
    samples_per_call: int = Field(ge=0)

    def settings(self) -> SamplingSettings:
        """Return what one generation call needs."""
        return SamplingSettings(self.temperature, self.top_p, self.top_k, self.max_new_tokens, self.stop)


class RuleSection(Document):
    """The decision rule that Gate A freezes (eval/decision/rule.py gives it its meaning).

    ``selection``: "split" keeps test tasks unseen for the decision, "max-t" chooses and decides on all tasks, "auto"
    lets Gate A split unless there are too few clusters.
    """

    selection: Literal["auto", "split", "max-t"]
    k: int = Field(ge=1)
    margin_pp: float = Field(gt=0, lt=100)
    alpha: float = Field(gt=0, lt=0.5)
    power: float = Field(ge=0.5, lt=1)
    noninferiority_pp: float = Field(gt=0)
    max_missing_pct: float = Field(ge=0, lt=100)
    max_missing_gap_pp: float = Field(ge=0, lt=100)
    canary_min_nats: float = Field(gt=0)
    canary_max_zero_nats: float = Field(ge=0)
    resamples: int = Field(ge=1000)


class WatchSection(Document):
    """When the supervisor ends a worker that makes no progress; in no digest, since it changes no number.

    A phase that counts units may count none for ``stall_min_s`` seconds or ``stall_factor`` times the median interval
    so far, whichever is longer; for ``stall_first_s`` before there are three intervals.
    """

    stall_factor: float = Field(gt=1)
    stall_min_s: float = Field(gt=0)
    stall_first_s: float = Field(gt=0)


class MachineSection(Document):
    """What the machine must have; see env/requirements.py for each."""

    min_python: str
    min_cores: float = Field(ge=0)
    min_free_disk_gb: float = Field(ge=0)
    min_free_ram_gb: float = Field(ge=0)
    require_gpu: bool
    min_vram_gb: float = Field(ge=0)
    min_compute_capability: float = Field(ge=0)
    require_packages: dict[str, str]
    require_engine: bool
    require_bubblewrap: bool


class EnvironmentSection(Document):
    """Gate A's configuration.

    ``waivers``: check name -> the reason to continue despite it; the report prints every one on its first page.
    ``assumed_base_pct``: the base's pass@k that planning figures assume before Gate B has measured it.
    """

    machine: MachineSection
    waivers: dict[str, str | None]
    assumed_base_pct: float = Field(gt=0, lt=100)


class BaselineSection(Document):
    """Gate B's configuration; how it samples is shared with D and E.

    ``max_truncated_pct``: more completions than this cut at sampling.max_new_tokens cause a warning.
    """

    max_truncated_pct: float = Field(ge=0, le=100)


class TrainingSection(Document):
    """Gate C's configuration: adapter and schedule (training/records.py), when to stop it (training/loss_watch.py)."""

    lora: LoraSettings
    train: TrainSettings
    watch: LossWatchSettings

    @field_validator("train")
    @classmethod
    def _has_a_checkpoint(cls, train: TrainSettings) -> TrainSettings:
        if train.max_steps and train.checkpoint_every > train.max_steps:
            raise ValueError(
                f"checkpoint_every={train.checkpoint_every} exceeds max_steps={train.max_steps}: no checkpoint"
            )
        return train


class RaceSection(Document):
    """How a race reduces the cells (eval/decision/racing.py): shares of the dev tasks and of the cells, in percent."""

    task_pct: tuple[float, ...] = Field(min_length=1)
    min_tasks: int = Field(ge=1)
    keep_pct: float = Field(gt=0, lt=100)
    finalists: int = Field(ge=1)

    @field_validator("task_pct")
    @classmethod
    def _rising(cls, task_pct: tuple[float, ...]) -> tuple[float, ...]:
        if any(before >= after for before, after in pairwise((0.0, *task_pct, 100.0))):
            raise ValueError("shares must rise, between 0 and 100")
        return task_pct


class SweepSection(Document):
    """Gate D's configuration.

    ``scales``: the LoRA scales at which every checkpoint is measured (1.0 = as trained).
    ``search``: "race" drops weaker cells early, "grid" measures every cell on every dev task.
    """

    scales: tuple[float, ...] = Field(min_length=1)
    search: Literal["race", "grid"]
    race: RaceSection

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
    dataset: DatasetSection
    verifier: VerifierSettings
    prompt: PromptSection
    sampling: SamplingSection
    rule: RuleSection
    watch: WatchSection
    gate: GateSections

    @model_validator(mode="after")
    def _enough_steps(self) -> Experiment:
        planned_training(self)
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


def planned_training(experiment: Experiment) -> TrainSettings:
    """Return the training settings with their steps counted, as far as the number of rows is known."""
    train = experiment.gate.c.train
    rows_are_counted = experiment.dataset.name != "jsonl" or train.max_steps
    return with_steps(train, experiment.dataset.rows) if rows_are_counted else train
