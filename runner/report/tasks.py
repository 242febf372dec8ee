"""The task part of a report: every test task under both arms, losses first, with a few samples to look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from eval.estimators import pass_at_k
from eval.records import Outcome, Sample
from runner.report.data import SampleView, TaskView
from runner.report.measures import arm_results
from runner.report.reading import Artifacts, read_sample_lines

# Of each arm and task: one of each way it ended, at most so many; all of them are in samples.jsonl.
SAMPLES_SHOWN = 2
_MAX_CHARACTERS = 4000
_MAX_INSTRUCTION = 1500
_SHORT_INSTRUCTION = 160
# Programs and instructions take at most this much of the page, escaped; the page as a whole stays under 3 MB.
TEXT_BYTES = 2_000_000

Samples = Mapping[str, Sequence[Sample]]


def read_tasks(found: Artifacts) -> tuple[TaskView, ...]:
    """Return the test tasks, the largest loss first; before Gate E with the base alone."""
    rows, k = _rows(found), _k(found)
    if not rows:
        return ()
    base = _by_task(found, "b", "base") or _by_task(found, "e", "base")
    arms = arm_results(found)
    cell = _by_task(found, "e", arms[1][0]) if len(arms) > 1 else {}
    _compare_counts(found, rows, base, cell)
    contaminated = frozenset(found.table("a", "contaminated") or ())
    ordered = sorted(rows, key=lambda row: _order(row, k))
    budget = _Budget(TEXT_BYTES)
    return tuple(_task(row, k, base, cell, contaminated, budget) for row in ordered)


def sample_files(found: Artifacts) -> tuple[str, ...]:
    """Return where all samples of the tasks are."""
    names = ("gate_b/samples.jsonl", "gate_e/samples.jsonl")
    return tuple(name for name in names if (found.run.folder / name).is_file())


def _rows(found: Artifacts) -> list[dict[str, Any]]:
    tasks = found.table("e", "tasks")
    if tasks is not None:
        return [dict(task) for task in tasks]
    arms = arm_results(found)
    if not arms:
        return []
    return [
        {**score, "instruction": "", "base_c": score["c"], "base_n": score["n"], "cell_c": None, "cell_n": None}
        for score in arms[0][1]["scores"]
    ]


def _k(found: Artifacts) -> int:
    rule = found.table("a", "rule")
    return int(rule["k"]) if rule is not None else 1


def _by_task(found: Artifacts, gate: str, arm: str) -> Samples:
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for sample in read_sample_lines(found, found.run.gate_folder(gate) / "samples.jsonl"):
        if sample.arm == arm:
            grouped[sample.task_id].append(sample)
    return grouped


def _compare_counts(found: Artifacts, rows: Sequence[Mapping[str, Any]], base: Samples, cell: Samples) -> None:
    """Name tasks whose counts in the report are not those of the stored samples."""
    for arm, gate, samples in (("base", "b", base), ("cell", "e", cell)):
        if not samples:
            continue
        wrong = [
            row["task_id"] for row in rows if _counts(samples[row["task_id"]]) != (row[f"{arm}_c"], row[f"{arm}_n"])
        ]
        if wrong:
            found.problems.append(
                f"gate_{gate}/samples.jsonl does not give the counts of {len(wrong)} tasks that the reports state: "
                + ", ".join(map(str, wrong[:5]))
                + (" and more." if len(wrong) > 5 else ".")
            )


def _counts(samples: Sequence[Sample]) -> tuple[int, int]:
    outcomes = Counter(sample.verdict.outcome for sample in samples)
    return outcomes[Outcome.PASSED], outcomes.total() - outcomes[Outcome.HARNESS_ERROR]


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _rate(row: Mapping[str, Any], arm: str, k: int) -> float | None:
    c, n = _count(row[f"{arm}_c"]), _count(row[f"{arm}_n"])
    rate = pass_at_k(n, c, k) if n is not None and c is not None else None
    return None if rate is None else 100 * rate


def _gain(row: Mapping[str, Any], k: int) -> float | None:
    base, cell = _rate(row, "base", k), _rate(row, "cell", k)
    return None if base is None or cell is None else cell - base


def _order(row: Mapping[str, Any], k: int) -> tuple[float, float, str]:
    """Losses first, then what neither arm can do, then gains; before Gate E what the base can do least."""
    gain = _gain(row, k)
    share = row["base_c"] / row["base_n"] if row["base_n"] else 0.0
    return (gain if gain is not None else 0.0, share, str(row["task_id"]))


class _Budget:
    """How much of the page programs may still take, in escaped bytes."""

    def __init__(self, left_bytes: int) -> None:
        self.left_bytes = left_bytes

    def take(self, text: str) -> bool:
        """Spend a text's bytes; False, and nothing spent, when there are not so many left."""
        needed = len(escape(text).encode("utf-8", "replace"))
        if needed > self.left_bytes:
            return False
        self.left_bytes -= needed
        return True


def _task(
    row: Mapping[str, Any], k: int, base: Samples, cell: Samples, contaminated: frozenset[str], budget: _Budget
) -> TaskView:
    task_id = str(row["task_id"])
    of_base, of_cell = base.get(task_id, ()), cell.get(task_id, ())
    shown_base, shown_cell = (_shown(samples, budget) for samples in (of_base, of_cell))
    return TaskView(
        task_id=task_id,
        family=str(row["family"]),
        kind=str(row["kind"]),
        cluster=str(row["cluster"]),
        instruction=_instruction(str(row["instruction"]), budget),
        base_c=int(row["base_c"]),
        base_n=int(row["base_n"]),
        cell_c=_count(row["cell_c"]),
        cell_n=_count(row["cell_n"]),
        base_rate=_rate(row, "base", k),
        cell_rate=_rate(row, "cell", k),
        gain=_gain(row, k),
        contaminated=task_id in contaminated,
        base_samples=shown_base,
        cell_samples=shown_cell,
        left_out=len(of_base) + len(of_cell) - len(shown_base) - len(shown_cell),
    )


def _instruction(text: str, budget: _Budget) -> str:
    """Return the instruction, or its beginning where it is long or the page is full."""
    cut = f"{text[:_MAX_INSTRUCTION]} …" if len(text) > _MAX_INSTRUCTION else text
    return cut if budget.take(cut) else f"{text[:_SHORT_INSTRUCTION]} …"


def _shown(samples: Sequence[Sample], budget: _Budget) -> tuple[SampleView, ...]:
    chosen = [sample_view(sample) for sample in representatives(samples, SAMPLES_SHOWN)]
    return tuple(view for view in chosen if budget.take(view.text + view.detail))


def representatives(samples: Sequence[Sample], at_most: int) -> list[Sample]:
    """Return the first sample of each outcome, passed first, then the most frequent ways to fail, at most so many."""
    ordered = sorted(samples, key=lambda sample: sample.index)
    often = Counter(sample.verdict.outcome for sample in ordered)
    firsts = {sample.verdict.outcome: sample for sample in reversed(ordered)}
    by_weight = sorted(
        firsts.values(), key=lambda s: (s.verdict.outcome != Outcome.PASSED, -often[s.verdict.outcome], s.index)
    )
    return by_weight[:at_most]


def sample_view(sample: Sample) -> SampleView:
    """Return what a reader sees of a sample: its program, or the completion where no program was found."""
    is_program = sample.candidate.code is not None
    text = sample.candidate.code if sample.candidate.code is not None else sample.completion.text
    remarks = [
        "ran into the token limit" if sample.completion.finish == "length" else "",
        f"patch matched by {sample.candidate.patch_level}" if sample.candidate.patch_level else "",
    ]
    return SampleView(
        arm=sample.arm,
        index=sample.index,
        seed=sample.seed,
        outcome=sample.verdict.outcome.value,
        detail=(sample.verdict.detail or sample.candidate.detail)[:_MAX_CHARACTERS],
        text=text[:_MAX_CHARACTERS],
        is_program=is_program,
        cut=max(0, len(text) - _MAX_CHARACTERS),
        checks=tuple((check.name, _PASSED[check.passed], check.detail) for check in sample.verdict.checks),
        verifier=sample.verdict.verifier,
        isolation=sample.verdict.isolation,
        remark="; ".join(remark for remark in remarks if remark),
    )


_PASSED = {True: "passed", False: "failed", None: "not reached"}
