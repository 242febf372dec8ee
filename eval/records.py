"""The records of evaluation: tasks, what a model wrote for them, and the outcome of executing it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

Split = Literal["dev", "test"]
AnswerForm = Literal["code", "diff", "calls"]
SPLITS: tuple[Split, ...] = ("dev", "test")


class Outcome(StrEnum):
    """The outcome of one candidate.

    HARNESS_ERROR is missing data: neither a pass nor a fail. NEEDS_STUDIO used what only the real engine has: it counts
    as not passed, since a candidate must not be able to choose to be missing.
    """

    PASSED = "PASSED"
    WRONG = "WRONG"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    SYNTAX_ERROR = "SYNTAX_ERROR"
    TIMEOUT = "TIMEOUT"
    MEMORY = "MEMORY"
    NO_CODE = "NO_CODE"
    PATCH_REJECTED = "PATCH_REJECTED"
    CRASHED = "CRASHED"
    NEEDS_STUDIO = "NEEDS_STUDIO"
    HARNESS_ERROR = "HARNESS_ERROR"


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """One executable assertion about a program, written in Lua against the check library.

    Attributes:
        name: what it asserts, in a few words; unique within its task.
        lua: a chunk run after the program was loaded; it fails by calling ``fail``/``equal``/``expect``.
        needs: "registry" runs under every verifier; "world" needs a running engine.
    """

    name: str
    lua: str
    needs: Literal["registry", "world"] = "registry"


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A plausible wrong answer that the task's checks must reject, with the reason it is wrong."""

    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class Task:
    """An instruction with executable checks.

    Attributes:
        id: unique in its dataset.
        kind: the subject inside the family, such as "node" or "craft".
        cluster: tasks that share a template or a source share a cluster; splits and intervals go by it.
        input: code, documentation excerpt or broken code that the instruction refers to; may be empty.
        answer: "code" when the model writes the program, "diff" when it writes a unified diff against ``input``,
            "calls" when it writes calls of tools.
        reference: an answer in the requested form that passes every check.
        difficulty: 1 (one field) to 5.
        mod_name: what programs run as, where the domain names that; "" leaves it to each program's own names.
        worlds: what is there before the program runs, as the domain's verifier reads it: the program must pass in each
            world; without one in the verifier's own.
        system: the system turn it is asked under; "" is that of the run.
    """

    id: str
    family: str
    kind: str
    cluster: str
    split: Literal["dev", "test"]
    instruction: str
    input: str
    answer: AnswerForm
    reference: str
    checks: tuple[TaskCheck, ...]
    near_misses: tuple[NearMiss, ...] = ()
    difficulty: int = 1
    source: str = ""
    mod_name: str = ""
    worlds: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: its name and arguments as JSON data."""

    name: str
    arguments: dict[str, Any]


Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        text: "" where there is none, as beside calls.
        calls: of an assistant's turn.
        name: of the tool whose result a turn of role "tool" is; "" where it is not said.
    """

    role: Role
    text: str
    calls: tuple[Call, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What stands around an answer that is one of several turns, rendered by the model's own template.

    Attributes:
        before: every turn up to the answer; the first may be the system's.
        answer: the assistant's turn that is learnt.
        tools: what the assistant may call, as the file describes it.
    """

    before: tuple[Turn, ...]
    answer: Turn
    tools: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One training row in the public format (instruction, input, output, family), with its source.

    ``line`` is the 1-based line in its file (0 for generated rows); ``cluster`` is its template; ``system`` the system
    turn it is asked under, "" that of the run. ``dialogue`` is there where the row is one turn of a conversation:
    ``instruction`` then is the user's last turn before it, and ``output`` the answer as text.
    """

    instruction: str
    input: str
    output: str
    family: str
    cluster: str = ""
    kind: str = ""
    line: int = 0
    system: str = ""
    dialogue: Dialogue | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a dataset's files that whoever gave them should know.

    Attributes:
        subject: in a few words, such as "items left out"; ``value`` says it with counts.
        reason: why it matters; ``fix`` what to do about it.
        evidence: the lines concerned, each as "FILE:LINE: why".
    """

    subject: str
    value: str
    reason: str
    fix: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Tasks to measure on and rows to train on, with the digest of their source bytes or parameters.

    ``notes`` say how it came about, for reports; ``remarks`` what its files hold that was not used as it is.
    """

    name: str
    tasks: tuple[Task, ...]
    rows: tuple[Row, ...]
    digest: str
    notes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """What a sample spent on thinking: tokens, those that close it too, and whether its budget ended it."""

    tokens: int
    cut: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote, why it ended, and how many tokens it took.

    Attributes:
        text: without the stop token; it begins with the tag of a thought that the prompt opened.
        finish: how the answer ended.
        tokens: of thought and answer together.
        thought: None where the sample did not think.
    """

    text: str
    finish: Literal["stop", "length"]
    tokens: int
    thought: Thought | None = None

    @property
    def answer_tokens(self) -> int:
        """Return the tokens after the thought."""
        return self.tokens - (0 if self.thought is None else self.thought.tokens)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The program extracted from a completion.

    Attributes:
        code: the program to execute; None when there is none (then ``outcome`` says why).
        rule: which extraction rule fired ("fence", "bare", ...).
        patch_level: how exactly a diff's hunks matched ("exact", "rstrip", "whitespace"); "" when not a diff.
        outcome: NO_CODE, PATCH_REJECTED, or SYNTAX_ERROR of calls, when ``code`` is None; else None.
        detail: the reason for ``outcome``.
    """

    code: str | None
    rule: str
    patch_level: str = ""
    outcome: Outcome | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one task check ended: ``passed`` is None when it was not reached."""

    name: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of verifying one program.

    Attributes:
        detail: one line: the failed check and why, the error message, the limit that was hit.
        seconds: wall time of execution.
        verifier: its name and runtime, such as "recorder/luajit21".
        isolation: of the process it ran in, such as "process+rlimits".
        checks: each task check in order.
        registered: what the program registered, as "kind name" strings in order (at most 50).
        api_calls: names of other API functions it called, sorted, distinct (at most 50).
        findings: fields, types or ranges in its definitions that the API does not define (at most 50). They never
            decide the outcome: the engine accepts such definitions too.
    """

    outcome: Outcome
    detail: str
    seconds: float
    verifier: str
    isolation: str
    checks: tuple[CheckResult, ...] = ()
    registered: tuple[str, ...] = ()
    api_calls: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of samples.jsonl: task and sample number, completion, candidate, verdict.

    ``arm`` names the model that wrote it: "base" or a cell such as "step-000100_x0.50".
    ``index`` counts the samples of a task from 0; ``seed`` is its random stream.
    """

    task_id: str
    index: int
    arm: str
    seed: int
    completion: Completion
    candidate: Candidate
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Return plain data, without the thought of a sample that had none; ``sample_from_json`` is its inverse."""
        data = asdict(self)
        if self.completion.thought is None:
            del data["completion"]["thought"]
        return data


def sample_from_json(data: dict[str, Any]) -> Sample:
    """Rebuild a Sample from ``Sample.to_json``. Raises KeyError, TypeError or ValueError on foreign data."""
    candidate = dict(data["candidate"])
    if candidate["outcome"] is not None:
        candidate["outcome"] = Outcome(candidate["outcome"])
    verdict = dict(data["verdict"])
    verdict["outcome"] = Outcome(verdict["outcome"])
    verdict["checks"] = tuple(CheckResult(**check) for check in verdict["checks"])
    verdict["registered"] = tuple(verdict["registered"])
    verdict["api_calls"] = tuple(verdict["api_calls"])
    verdict["findings"] = tuple(verdict.get("findings", ()))
    return Sample(
        task_id=data["task_id"],
        index=int(data["index"]),
        arm=data["arm"],
        seed=int(data["seed"]),
        completion=_completion(data["completion"]),
        candidate=Candidate(**candidate),
        verdict=Verdict(**verdict),
    )


def _completion(data: dict[str, Any]) -> Completion:
    thought = data.get("thought")
    return Completion(**{**data, "thought": None if thought is None else Thought(**thought)})


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Counts of one task under one arm: ``n`` valid samples (HARNESS_ERROR left out), ``c`` of them PASSED.

    ``cut_short`` of the others were cut at the token limit: they might have passed with a higher one.
    """

    task_id: str
    family: str
    cluster: str
    n: int
    c: int
    missing: int = 0
    kind: str = ""
    cut_short: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with its evidence: point, 95% interval, unit and what it was computed from.

    ``value`` is None when undefined (for instance pass@k with n < k): never 0 in its place.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    n: int
    k: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class EvalResult:
    """Everything computed from the samples of one arm on one split.

    ``scores`` has every task of the split, also those in ``missing_tasks``, which have no sample at all (n = 0).
    ``harness_errors`` counts samples that were generated but could not be verified; ``samples`` counts them too.
    ``truncated`` counts answers that were cut, ``thoughts`` the samples that thought, and ``thoughts_cut`` those whose
    budget ended the thought; tokens are told for thoughts and for answers.
    """

    arm: str
    split: str
    scores: tuple[TaskScore, ...]
    metrics: tuple[Metric, ...]
    by_family: dict[str, tuple[Metric, ...]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    samples: int = 0
    missing_tasks: tuple[str, ...] = ()
    harness_errors: int = 0
    thoughts: int = 0
    thoughts_cut: int = 0
    thought_tokens: int = 0
    answer_tokens: int = 0
