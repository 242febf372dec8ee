"""What each gate found, as one typed document a gate: the part of report.json that later gates and readers build on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from eval.decision.cells import Cell, checkpoint_name
from eval.decision.guards import Canary
from eval.decision.power import DetectableGain
from eval.decision.recommendations import Recommendation
from eval.decision.regressions import GroupGain, Movers
from eval.decision.rule import DecisionRule
from eval.decision.verdict import Decision
from eval.overlap.contamination import Overlap, Status, Tier
from eval.records import EvalResult, Metric, Outcome, Split
from gates.report.document import Document
from gates.report.rounds import RoundFacts


class BaseFacts(Document):
    """The base model that was loaded; equal ``parts`` (weights, quantization, tokenizer, ...) are the same base."""

    digest: str
    parts: Mapping[str, str]
    parameters: int


class JudgeFacts(Document):
    """Verifier and isolation of the candidates, such as "recorder/luajit21" under "process+rlimits"."""

    verifier: str
    isolation: str


class DatasetFacts(Document):
    """The data that Gate A approved; ``excluded`` are tasks that are left out since their own reference fails."""

    name: str
    digest: str
    tasks: int
    dev_tasks: int
    dev_clusters: int
    test_tasks: int
    test_clusters: int
    rows: int
    families: Mapping[str, int]
    excluded: tuple[str, ...]
    notes: tuple[str, ...]


class Leak(Document):
    """How much training has seen of a task, and the tier it is counted in; "" where an older report does not say."""

    status: Status
    tier: Tier | Literal[""]


class ContaminationFacts(Document):
    """What training has seen of the tasks: how many have each status, the leaked ones, and where each was found."""

    counts: Mapping[Status, int]
    tasks: Mapping[str, Leak]
    overlaps: tuple[Overlap, ...]


class Generations(Document):
    """Completions that the gates will draw.

    Attributes:
        base: Gate B's, of the base.
        sweep: Gate D's, of ``cells`` cells; ``grid`` is what every cell on every dev task would take.
        decision: Gate E's, of the chosen cell; 0 under max-T.
        usual: what the usual rule draws: the base and every cell on the dev tasks alone.
    """

    base: int
    sweep: int
    grid: int
    decision: int
    usual: int
    cells: int

    @property
    def total(self) -> int:
        """Return the generations of the whole protocol."""
        return self.base + self.sweep + self.decision


class FrozenRule(Document):
    """The decision rule that Gate A froze, with why its tasks are split so, and what it can detect at what cost.

    Reports of schema 1 have no reason ("") and no ``generations`` (None).
    """

    rule: DecisionRule
    digest: str
    selection_reason: str
    detectable: DetectableGain
    generations: Generations | None


class AdapterProbe(Document):
    """One step's adapter, saved and read back: how far it moves a log-probability (nats), as trained and at scale 0.

    None where the number was not finite.
    """

    moved_nats: float | None
    zero_moved_nats: float | None
    adapter_mb: float


class SampleProbe(Document):
    """One dev task's completion and the result of executing it."""

    task_id: str
    prompt: str
    completion: str
    tokens: int
    finish: str
    outcome: Outcome
    detail: str
    verifier: str
    isolation: str


class PromptFacts(Document):
    """What all prompts of the run share, and what identifies their text.

    Attributes:
        system: the text of the system turn; "" is none.
        moment: the time, ISO, that templates which print one read in every gate.
        digest, training_digest: of the rendered prompts of all tasks, and of all training rows.
    """

    system: str
    moment: str
    digest: str
    training_digest: str


class Pace(Document):
    """How fast this machine is with this model, measured, and what follows from it.

    Attributes:
        load_s: seconds until the libraries were imported and the model was loaded.
        rows, tokens_per_s, measured_s: samples that generated together, their tokens a second in all processes by that
            of one, and for how long that was measured.
        tokens_each: tokens a sample took.
        judged_per_s: programs verified a second while the data was checked; 0 where nothing was verified.
        train_tokens_per_s, tokens_per_step: of one real training step, and tokens of a step on average.
        threads: of one process, chosen once for the run; 0 where the library knows no such number.
        batch_size: rows that generate together in one process for the whole run; 0 in reports of versions that left it
            to the configuration.
        samples_per_call, call_reason: samples of one generation call, and why so many.
    """

    load_s: float
    rows: int
    tokens_per_s: float
    measured_s: float
    tokens_each: float
    judged_per_s: float
    train_tokens_per_s: float
    tokens_per_step: float
    threads: int
    batch_size: int = 0
    samples_per_call: int
    call_reason: str


class ReferenceFacts(Document):
    """A reference answer to a dev task, scored by our own load and by a server; or, without scores, greedy answers.

    ``tokens``: of the reference; ``own_nats``, ``served_nats``: its natural-log probability, None where the server
    tells none.
    """

    task_id: str
    tokens: int
    own_nats: float | None
    served_nats: float | None
    own_text: str
    served_text: str


class SamplerFacts(Document):
    """The base at a server, as Gate A met it; later gates hold the server against it.

    Attributes:
        facts: what must stay the same: software, version, model, where it came from, how it is asked.
        choices: what was found there, name -> "value: reason", the same base and the seeds among them.
        references: what our own load and the server make of reference answers.
        adapter: the same under an adapter of one step; empty where the server cannot load one while it runs.
        adapter_note: how the adapter compared, or why it was not tried.
    """

    facts: Mapping[str, str]
    choices: Mapping[str, str]
    references: tuple[ReferenceFacts, ...]
    adapter: tuple[ReferenceFacts, ...]
    adapter_note: str


class ModelProbe(Document):
    """The look at the model: its base, one training step (``loss`` None: not finite), one adapter, one sample.

    ``prompts`` and ``pace`` are None in reports of versions that did not store them.
    """

    base: BaseFacts
    loss: float | None
    adapter: AdapterProbe | None
    sample: SampleProbe
    prompts: PromptFacts | None = None
    pace: Pace | None = None
    sampler: SamplerFacts | None = None


class EnvironmentResults(Document):
    """Gate A's: the data, the frozen rule, the look at the model; the latter two are None where a check blocked."""

    gate: Literal["a"] = "a"
    dataset: DatasetFacts
    contamination: ContaminationFacts
    frozen: FrozenRule | None
    probe: ModelProbe | None

    @property
    def base(self) -> BaseFacts | None:
        """Return the base that was loaded; None where none was."""
        return None if self.probe is None else self.probe.base

    @property
    def contaminated(self) -> tuple[str, ...]:
        """Return every task that training has seen in whole or in parts."""
        return tuple(self.contamination.tasks)


class BaselineResults(Document):
    """Gate B's: the base on each split."""

    gate: Literal["b"] = "b"
    base: BaseFacts
    judge: JudgeFacts
    splits: Mapping[Split, EvalResult]


class CheckpointFacts(Document):
    """A checkpoint that was verified: its folder inside the run, and the digest of its adapter.

    ``round``: of rejection sampling that trained it, 0 where none did; ``arm``: "" where it can be chosen.
    """

    step: int
    folder: str
    digest: str
    loss: float
    round: int = 0
    arm: str = ""

    @property
    def name(self) -> str:
        """Return what its cells are called after."""
        return checkpoint_name(self.step, self.round, self.arm)


class TrainingFacts(Document):
    """How training went; losses are means over the first and the last ``loss_window_steps`` steps."""

    steps: int
    examples: int
    dropped: int
    dropped_rows: tuple[str, ...]
    trainable_parameters: int
    trainable_patterns: Mapping[str, int]
    targets: int
    sessions: tuple[int, ...]
    loss_at_start: float
    loss_at_end: float
    loss_window_steps: int
    quarantined: tuple[str, ...]


class TrainingResults(Document):
    """Gate C's: the checkpoints, and how they were trained.

    Attributes:
        training: of several trainings the last one whose checkpoints can be chosen.
        controls: the last checkpoint of each arm that is only compared with.
        rounds: of rejection sampling; ``judge`` verified its answers, None where nothing was drawn.
    """

    gate: Literal["c"] = "c"
    base: BaseFacts
    checkpoints: tuple[CheckpointFacts, ...]
    training: TrainingFacts
    controls: tuple[CheckpointFacts, ...] = ()
    rounds: tuple[RoundFacts, ...] = ()
    judge: JudgeFacts | None = None


class CellFacts(Document):
    """One cell of the sweep on the dev tasks it was measured on.

    Attributes:
        tasks: on how many tasks it was measured; ``dropped_after``: the round after which it left the race.
        gain: of pass@k over the base, in pp; ``lower`` is its one-sided bound.
    """

    cell: str
    step: int
    scale: float
    tasks: int
    dropped_after: int | None
    result: EvalResult
    gain: Metric
    lower: float | None
    round: int = 0

    @property
    def place(self) -> Cell:
        """Return the cell by checkpoint and scale."""
        return Cell(self.step, self.scale, self.round)


class SearchRound(Document):
    """One round of the race: tasks measured by its end, cells in it, those that were kept, gains in pp."""

    round: int
    tasks: int
    cells: tuple[str, ...]
    kept: tuple[str, ...]
    gains_pp: Mapping[str, float | None]


class SearchFacts(Document):
    """How the cells were searched, round by round, and what it cost; a grid is one round."""

    method: Literal["race", "grid"]
    reason: str
    rounds: tuple[SearchRound, ...]
    samples: int
    planned_samples: int
    grid_samples: int


class ChosenCell(Document):
    """The cell that was chosen on dev, and why."""

    cell: str
    step: int
    scale: float
    why: str


class ControlFacts(Document):
    """An arm that is only compared with, on all dev tasks, beside the trained arm at the same scale.

    Attributes:
        arm: "gold", "unjudged" or "failed"; ``cell`` its last checkpoint.
        trained: the last checkpoint of the last round: settled before anything was measured.
        gains: pass@1 and pass@k of ``trained`` minus those of the arm, paired by task, in pp.
    """

    arm: str
    cell: str
    trained: str
    result: EvalResult
    trained_result: EvalResult
    gains: tuple[Metric, ...]


class SweepResults(Document):
    """Gate D's: every cell, how they were searched, and the chosen one; pass@``k`` decides."""

    gate: Literal["d"] = "d"
    base: BaseFacts
    judge: JudgeFacts
    k: int
    cells: tuple[CellFacts, ...]
    search: SearchFacts
    chosen: ChosenCell
    controls: tuple[ControlFacts, ...] = ()


class Opening(Document):
    """One time that the test tasks were opened: when, by which attempt of Gate E, for which cell."""

    at: str
    attempt: int
    cell: str


class Arms(Document):
    """The base and the chosen cell on the tasks of the decision."""

    base: EvalResult
    cell: EvalResult


class TaskFacts(Document):
    """One task of the decision: its prompt, and ``c`` passes of ``n`` valid samples of each arm.

    Attributes:
        digest: of the whole task, its checks included: two runs with equal digests used the same prompt and checks.
        contamination: "" where training saw nothing of it, else status and tier, such as "CONTAMINATED T1".
        prompt: what the model reads of it, every sign; "" where an older report does not say.
        difficulty: None, and ``input``, ``reference``, ``answer`` and ``digest`` "", in reports of schema 1.
    """

    task_id: str
    family: str
    kind: str
    difficulty: int | None
    cluster: str
    instruction: str
    input: str
    reference: str
    answer: str
    digest: str
    contamination: str
    base_c: int
    base_n: int
    cell_c: int
    cell_n: int
    prompt: str = ""


class DecisionResults(Document):
    """Gate E's: the trial, the decision, and what to do next.

    Attributes:
        split: of the decision's tasks: "test", or "dev" under max-T.
        decision_without_contaminated: None where no task of the decision is contaminated, or where there is none
            without them: then ``no_decision_without_contaminated`` says why.
    """

    gate: Literal["e"] = "e"
    base: BaseFacts
    judge: JudgeFacts
    chosen: ChosenCell
    split: Split
    canary: Canary
    openings: tuple[Opening, ...]
    arms: Arms
    tasks: tuple[TaskFacts, ...]
    groups: tuple[GroupGain, ...]
    movers: Movers
    decision: Decision
    recommendations: tuple[Recommendation, ...]
    decision_without_contaminated: Decision | None = None
    no_decision_without_contaminated: str = ""


def gate_of(kind: type[Document]) -> str:
    """Return the letter of the gate that leaves this kind of results."""
    return str(kind.model_fields["gate"].default)


AnyResults = EnvironmentResults | BaselineResults | TrainingResults | SweepResults | DecisionResults
Measured = BaselineResults | SweepResults | DecisionResults
Results = Annotated[AnyResults, Field(discriminator="gate")]
