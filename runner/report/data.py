"""What a report says, as plain records: every writer draws from these and reads no file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from eval.pipeline.scoring import Scores
from eval.records import Sample

Marks = tuple[Scores | None, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value, with a remark where it needs one; ``is_code`` where the value is to be copied as it is."""

    label: str
    value: str
    note: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do: what, why, and the command that does it; "" where there is none."""

    action: str
    why: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its two-sided 95% interval, in ``unit``; None where it is undefined.

    ``mark`` says what the reader must not miss about it ("harmed"), "" for nothing.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    n: int | None = None
    mark: str = ""
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guard of the decision and what it found."""

    name: str
    level: str
    fired: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, in percentage points and percent.

    Attributes:
        word: PROCEED, ADJUST or INCONCLUSIVE; ``strong`` when the lower bound reaches the margin.
        lower, upper: one-sided 95% bounds, which the rule reads.
        base, adapter: pass@k of both arms, in %.
        without_contaminated: the decision without the contaminated tasks, "" where there are none.
    """

    word: str
    strong: bool
    sentence: str
    gain: Interval
    base: Interval
    adapter: Interval
    lower: float | None
    upper: float | None
    margin: float
    detectable: float | None
    k: int
    cell: str
    method: str
    reasons: tuple[str, ...]
    guards: tuple[GuardRow, ...]
    without_contaminated: str = ""


@dataclass(frozen=True, slots=True)
class GainGroup:
    """The gain over one group of tasks; ``by`` is "family", "kind" or "difficulty"; rates in %, None where not told."""

    by: str
    gain: Interval
    base: float | None = None
    adapter: float | None = None


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One measured cell on dev: pass@k in %, gain and one-sided lower bound in pp.

    ``tasks`` it was measured on (None where not told); ``dropped_after`` is the round of the race that ended it.
    """

    name: str
    step: int
    scale: float
    rate: float | None
    gain: Interval
    lower: float | None
    chosen: bool
    tasks: int | None = None
    dropped_after: int | None = None
    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every cell that was tried, how the race went, and why one of them went on; ``test`` is that one's gain there.

    ``checkpoints`` are named as the cells name theirs: "step 120", or "round 1, step 120".
    """

    k: int
    checkpoints: tuple[str, ...]
    scales: tuple[float, ...]
    cells: tuple[SweepCell, ...]
    why: str
    rounds: tuple[Fact, ...] = ()
    cost: str = ""
    test: Interval | None = None

    @property
    def chosen(self) -> SweepCell | None:
        """The cell that went on."""
        return next((cell for cell in self.cells if cell.chosen), None)


@dataclass(frozen=True, slots=True)
class ArmOutcomes:
    """How the samples of one arm ended, by Outcome name, and how many ran into the token limit."""

    label: str
    counts: dict[str, int]
    samples: int
    truncated: int


@dataclass(frozen=True, slots=True)
class PassRow:
    """pass@k of base and adapter over one group of tasks; ``gain`` is the paired difference in pp."""

    group: str
    metric: str
    tasks: int
    base: Interval | None
    adapter: Interval | None
    gain: Interval | None = None


@dataclass(frozen=True, slots=True)
class MarkRow:
    """The mean of one mark, 0 to 1, or of their total; ``gain`` is the paired difference.

    ``weight`` is what the mark counts in the total, ``samples`` how many each task has in an arm.
    """

    mark: str
    weight: float
    samples: int
    base: Interval
    adapter: Interval | None
    gain: Interval | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What an LLM judge says of passed answers, 0 to 1, on the tasks that both arms passed; ``gain`` is paired.

    ``why`` says on what grounds its grades count: its calibration, or the waiver of one (``is_waived``).
    """

    model: str
    base: Interval
    adapter: Interval
    gain: Interval
    both: int
    same: int
    why: str
    is_waived: bool


@dataclass(frozen=True, slots=True)
class PassCurve:
    """pass@k of one arm for k = 1 to n, in %; the i-th interval is that of k = i + 1."""

    label: str
    points: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """What a round of rejection sampling drew for a group of tasks; ``distinct`` programs a task on average."""

    round: int
    group: str
    tasks: int
    solved: int
    all_pass: int
    samples: int
    passed: int
    distinct: float


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds of rejection sampling: what was drawn, what was kept and trained, and the gain over each control arm.

    ``gains``: of the last round's last checkpoint over the control arms, on dev, in pp; () before Gate D.
    """

    drawn: tuple[DrawnRow, ...]
    facts: tuple[Fact, ...]
    gains: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One recorded quantity of training as (step, value) points."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Training:
    """The curves of training, where it was resumed, which steps were kept, which one was chosen (None: not yet)."""

    series: tuple[Series, ...]
    restarts: tuple[int, ...]
    checkpoints: tuple[int, ...]
    chosen: int | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class TrustRow:
    """One question about the instrument; ``state`` is "ok", "warns", "fails" or "unknown"."""

    question: str
    state: str
    answer: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of a gate; ``state`` is "ok", "fact", "warns", "blocks" or "waived"."""

    name: str
    state: str
    value: str
    expected: str
    reason: str
    fix: str
    waived: str
    evidence: tuple[str, ...]
    more_evidence: int


@dataclass(frozen=True, slots=True)
class GateSection:
    """One gate: its state, what it concluded, what it checked; ``files``: its report and log, inside the run."""

    gate: str
    title: str
    state: str
    at: str
    took: str
    headline: str
    attempt: int
    reasons: tuple[str, ...]
    checks: tuple[CheckRow, ...]
    choices: tuple[Fact, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task under both arms; ``c`` of ``n`` valid samples passed.

    ``base_rate``, ``cell_rate`` are pass@k in %, ``gain`` their difference in pp, None where undefined or not measured.
    ``prompt`` is what the model reads, every sign of it; "" where the run did not store it.
    ``status`` is what training has seen of it: CLEAN, PARTIAL or CONTAMINATED; ``seen`` says where.
    ``base_marks`` and ``cell_marks`` are those of the samples, in their order; () where nothing is marked.
    """

    task_id: str
    family: str
    kind: str
    cluster: str
    difficulty: int | None
    answer: str
    instruction: str
    input: str
    reference: str
    prompt: str
    status: str
    seen: tuple[str, ...]
    base_c: int
    base_n: int
    cell_c: int | None
    cell_n: int | None
    base_rate: float | None
    cell_rate: float | None
    gain: float | None
    base_samples: tuple[Sample, ...] = ()
    cell_samples: tuple[Sample, ...] = ()
    base_marks: Marks = ()
    cell_marks: Marks = ()


@dataclass(frozen=True, slots=True)
class SampleSource:
    """Where the samples lie and how one is judged again: ``replay`` + " GATE TASK INDEX" and the arm's options."""

    files: tuple[str, ...] = ()
    cell: str = ""
    cell_gate: str = "E"
    replay_flags: str = ""


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One configuration value; ``changed`` when an override set it, ``default`` what conf/ says where it differs."""

    key: str
    value: str
    changed: bool
    default: str | None = None


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One event of the journal."""

    seq: int
    at: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where every number comes from."""

    facts: tuple[Fact, ...]
    config: tuple[ConfigRow, ...]
    versions: tuple[Fact, ...]
    hardware: tuple[Fact, ...]
    digests: tuple[Fact, ...]
    artifacts: tuple[Fact, ...]
    timeline: tuple[TimelineRow, ...]
    attempts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything a report shows.

    Attributes:
        problems: what is damaged or contradicts itself in the run folder; stands at the top of every report.
        smoke: the run is too small to decide anything, by design.
        missing: what an unfinished run does not tell yet.
        waived: the waived checks, which stand on the first screen.
        contamination: what training has seen of the tasks, in one sentence, which stands there too.
        k: the rule's, of pass@k; None before Gate A froze it.
        limits: what the numbers do not say, each sentence with the number behind it.
        rounds: None where no answers of the model's own were trained on.
        marks: mean marks of both arms; ``no_marks`` says why there are none, "" where that needs no reason.
        judged: what an LLM judge says of passed answers, where one was asked; ``no_judged`` why that is not shown.
    """

    run_id: str
    created_at: str
    profile: str
    subject: str
    state: str
    smoke: bool
    problems: tuple[str, ...]
    missing: tuple[str, ...]
    waived: tuple[CheckRow, ...]
    contamination: str
    k: int | None
    verdict: Verdict | None
    basis: tuple[Fact, ...]
    groups: tuple[GainGroup, ...]
    sweep: Sweep | None
    outcomes: tuple[ArmOutcomes, ...]
    passes: tuple[PassRow, ...]
    curves: tuple[PassCurve, ...]
    training: Training | None
    trust: tuple[TrustRow, ...]
    limits: tuple[str, ...]
    gates: tuple[GateSection, ...]
    tasks: tuple[TaskView, ...]
    source: SampleSource
    provenance: Provenance
    reproduce: tuple[str, ...]
    next_steps: tuple[NextStep, ...] = field(default_factory=tuple)
    marks: tuple[MarkRow, ...] = ()
    no_marks: str = ""
    judged: Judged | None = None
    no_judged: str = ""
    rounds: Rounds | None = None


def to_json(data: ReportData) -> dict[str, Any]:
    """Return the report as plain data, for ``--format json``; samples stay in the files that ``source`` names."""
    bare = tuple(replace(task, base_samples=(), cell_samples=(), base_marks=(), cell_marks=()) for task in data.tasks)
    plain = asdict(replace(data, tasks=bare))
    for task in plain["tasks"]:
        for kept in ("base_samples", "cell_samples", "base_marks", "cell_marks"):
            del task[kept]
    return plain
