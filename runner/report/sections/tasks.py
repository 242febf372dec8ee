"""The task part of a report: every test task under both arms, losses first, with all of its samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from eval.estimation.estimators import pass_at_k
from eval.records import Outcome, Sample
from runner.report.data import SampleSource, TaskView
from runner.report.sections.exposure import Exposure, read_exposures
from runner.report.sections.measures import arm_results
from runner.runs.folder import command
from runner.views.artifacts import Artifacts, read_sample_lines
from runner.views.wording import count_text, listed_text

Samples = Mapping[str, Sequence[Sample]]


def read_tasks(found: Artifacts) -> tuple[TaskView, ...]:
    """Return the test tasks, the largest loss first; before Gate E with the base alone."""
    rows, k = _rows(found), _k(found)
    if not rows:
        return ()
    base = _by_task(found, "gate_b/samples.jsonl", "base")
    cell = _by_task(found, *cell_file(found)) if len(arm_results(found)) > 1 else {}
    _compare_counts(found, rows, base, cell)
    exposures = read_exposures(found)
    ordered = sorted(rows, key=lambda row: _order(row, k))
    return tuple(_task(row, k, base, cell, exposures) for row in ordered)


def read_source(found: Artifacts) -> SampleSource:
    """Return where the samples of the tasks are, and what a command needs to judge one of them again."""
    arms = arm_results(found)
    files = ["gate_b/samples.jsonl"]
    name, gate = "", "E"
    if len(arms) > 1:
        file, name = cell_file(found)
        gate = file[len("gate_")].upper()
        files.append(file)
    flags = command(found.run.folder, "replay").removeprefix("python -m runner replay")
    return SampleSource(
        tuple(file for file in files if (found.run.folder / file).is_file()),
        name,
        gate,
        # the run that is current today need not be when the page is read
        flags or f" --run {found.run.id}",
    )


def cell_file(found: Artifacts) -> tuple[str, str]:
    """Return the chosen cell's sample file, inside the run, and its name; without a test split Gate D drew them."""
    name = arm_results(found)[1][0]
    drawn_by_d = f"gate_d/cells/{name}/samples.jsonl"
    if not (found.run.gate_folder("e") / "samples.jsonl").is_file() and (found.run.folder / drawn_by_d).is_file():
        return drawn_by_d, name
    return "gate_e/samples.jsonl", name


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


def _by_task(found: Artifacts, file: str, arm: str) -> Samples:
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for sample in read_sample_lines(found, found.run.folder / file):
        if sample.arm == arm:
            grouped[sample.task_id].append(sample)
    for samples in grouped.values():
        samples.sort(key=lambda sample: sample.index)
    return grouped


def _compare_counts(found: Artifacts, rows: Sequence[Mapping[str, Any]], base: Samples, cell: Samples) -> None:
    """Name tasks whose counts in the report are not those of the samples, where the samples are there at all."""
    files = {"base": "gate_b/samples.jsonl", "cell": cell_file(found)[0] if cell else ""}
    for arm, samples in (("base", base), ("cell", cell)):
        if not samples:
            continue
        wrong = [
            row["task_id"]
            for row in rows
            if _counts(samples.get(row["task_id"], ())) != (row[f"{arm}_c"], row[f"{arm}_n"])
        ]
        if wrong:
            found.problems.append(
                f"{files[arm]} does not give the counts of {count_text(len(wrong), 'task')} that the reports state: "
                + f"{listed_text(wrong, 5)}."
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


def _task(row: Mapping[str, Any], k: int, base: Samples, cell: Samples, exposures: Mapping[str, Exposure]) -> TaskView:
    task_id = str(row["task_id"])
    exposure = exposures.get(task_id, Exposure("CLEAN"))
    return TaskView(
        task_id=task_id,
        family=str(row["family"]),
        kind=str(row["kind"]),
        cluster=str(row["cluster"]),
        difficulty=_count(row.get("difficulty")),
        answer=str(row.get("answer") or ""),
        instruction=str(row["instruction"]),
        input=str(row.get("input") or ""),
        reference=str(row.get("reference") or ""),
        status=exposure.status,
        seen=exposure.sentences,
        base_c=int(row["base_c"]),
        base_n=int(row["base_n"]),
        cell_c=_count(row["cell_c"]),
        cell_n=_count(row["cell_n"]),
        base_rate=_rate(row, "base", k),
        cell_rate=_rate(row, "cell", k),
        gain=_gain(row, k),
        base_samples=tuple(base.get(task_id, ())),
        cell_samples=tuple(cell.get(task_id, ())),
    )
