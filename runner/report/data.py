"""What a report says, as plain records: every writer draws from these and reads no file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value, with a remark where it needs one."""

    label: str
    value: str
    note: str = ""


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


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guard of the decision and what it found."""

    name: str
    level: str
    fired: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, in percentage points.

    Attributes:
        word: PROCEED, ADJUST or INCONCLUSIVE; ``strong`` when the lower bound reaches the margin.
        lower, upper: one-sided 95% bounds, which the rule reads.
        without_contaminated: the decision without the contaminated tasks, "" where there are none.
    """

    word: str
    strong: bool
    sentence: str
    gain: Interval
    lower: float | None
    upper: float | None
    margin: float
    k: int
    cell: str
    reasons: tuple[str, ...]
    guards: tuple[GuardRow, ...]
    families: tuple[Interval, ...]
    without_contaminated: str = ""


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One measured cell on dev: pass@k in %, gain and one-sided lower bound in pp."""

    name: str
    step: int
    scale: float
    rate: float | None
    gain: float | None
    lower: float | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every cell that was tried, and why one of them went on."""

    k: int
    steps: tuple[int, ...]
    scales: tuple[float, ...]
    cells: tuple[SweepCell, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ArmOutcomes:
    """How the samples of one arm ended, by Outcome name, and how many ran into the token limit."""

    label: str
    counts: dict[str, int]
    samples: int
    truncated: int


@dataclass(frozen=True, slots=True)
class PassRow:
    """pass@k of base and adapter over one group of tasks."""

    group: str
    metric: str
    tasks: int
    base: Interval | None
    adapter: Interval | None


@dataclass(frozen=True, slots=True)
class Training:
    """The loss curve as (step, loss) points, where it was resumed, and what was trained."""

    points: tuple[tuple[int, float], ...]
    restarts: tuple[int, ...]
    checkpoints: tuple[int, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of a gate; ``state`` is "held", "fact", "warns", "blocks" or "waived"."""

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
    """One gate: where it stands, what it concluded, what it checked."""

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


@dataclass(frozen=True, slots=True)
class SampleView:
    """One sample as a reader sees it: the program (or what was written instead of one) and what became of it.

    ``cut`` counts the characters of ``text`` that were left out.
    """

    arm: str
    index: int
    seed: int
    outcome: str
    detail: str
    text: str
    is_program: bool
    cut: int
    checks: tuple[tuple[str, str, str], ...]
    verifier: str
    isolation: str
    remark: str


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task under both arms; ``c`` of ``n`` valid samples passed. ``left_out`` samples are only in the files.

    ``base_rate``, ``cell_rate`` are pass@k in %, ``gain`` their difference in pp, None where undefined or not measured.
    """

    task_id: str
    family: str
    kind: str
    cluster: str
    instruction: str
    base_c: int
    base_n: int
    cell_c: int | None
    cell_n: int | None
    base_rate: float | None
    cell_rate: float | None
    gain: float | None
    contaminated: bool
    base_samples: tuple[SampleView, ...]
    cell_samples: tuple[SampleView, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One configuration value; ``changed`` when an override set it."""

    key: str
    value: str
    changed: bool


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
    digests: tuple[Fact, ...]
    artifacts: tuple[Fact, ...]
    timeline: tuple[TimelineRow, ...]
    attempts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything a report shows.

    Attributes:
        problems: what is damaged or contradicts itself in the run folder; stands at the top of every report.
        missing: what an unfinished run does not tell yet.
        waived: the waived checks, which stand on the first screen.
        sample_files: where all samples of the tasks are.
    """

    run_id: str
    created_at: str
    profile: str
    subject: str
    state: str
    problems: tuple[str, ...]
    missing: tuple[str, ...]
    waived: tuple[CheckRow, ...]
    verdict: Verdict | None
    basis: tuple[Fact, ...]
    sweep: Sweep | None
    outcomes: tuple[ArmOutcomes, ...]
    passes: tuple[PassRow, ...]
    training: Training | None
    gates: tuple[GateSection, ...]
    tasks: tuple[TaskView, ...]
    sample_files: tuple[str, ...]
    provenance: Provenance
    reproduce: tuple[str, ...]
    next_steps: tuple[Fact, ...] = field(default_factory=tuple)


def to_json(data: ReportData) -> dict[str, Any]:
    """Return the report as plain data, for ``--json``."""
    return asdict(data)
