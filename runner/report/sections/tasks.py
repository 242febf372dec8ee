"""The task part of a report: every test task under both arms, losses first, with all of its samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from env.wording.counts import counted
from env.wording.listing import listed_text
from eval.estimation.estimators import pass_at_k
from eval.records import Outcome, Sample
from gates.report.results import DecisionResults, TaskFacts
from runner.report.data import SampleSource, TaskView
from runner.report.sections.exposure import Exposure, read_exposures
from runner.report.sections.measures import arm_results
from runner.runs.folder import command
from runner.views.artifacts import Artifacts, read_sample_lines

Samples = Mapping[str, Sequence[Sample]]


def read_tasks(found: Artifacts) -> tuple[TaskView, ...]:
    """Return the test tasks, the largest loss first; before Gate E with the base alone."""
    rows, k = _rows(found), found.rule.k if found.rule is not None else 1
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


@dataclass(frozen=True, slots=True)
class _Row:
    """A task under the base and, where it was measured, under the cell; its texts are known from Gate E on."""

    task_id: str
    family: str
    kind: str
    cluster: str
    base_c: int
    base_n: int
    cell_c: int | None = None
    cell_n: int | None = None
    facts: TaskFacts | None = None


def _rows(found: Artifacts) -> list[_Row]:
    decided = found.results(DecisionResults)
    if decided is not None:
        return [
            _Row(t.task_id, t.family, t.kind, t.cluster, t.base_c, t.base_n, t.cell_c, t.cell_n, t)
            for t in decided.tasks
        ]
    arms = arm_results(found)
    scores = arms[0][1].scores if arms else ()
    return [_Row(score.task_id, score.family, score.kind, score.cluster, score.c, score.n) for score in scores]


def _by_task(found: Artifacts, file: str, arm: str) -> Samples:
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for sample in read_sample_lines(found, found.run.folder / file):
        if sample.arm == arm:
            grouped[sample.task_id].append(sample)
    for samples in grouped.values():
        samples.sort(key=lambda sample: sample.index)
    return grouped


def _compare_counts(found: Artifacts, rows: Sequence[_Row], base: Samples, cell: Samples) -> None:
    """Name tasks whose counts in the report are not those of the samples, where the samples are there at all."""
    files = {"base": "gate_b/samples.jsonl", "cell": cell_file(found)[0] if cell else ""}
    for arm, samples in (("base", base), ("cell", cell)):
        if not samples:
            continue
        wrong = [row.task_id for row in rows if _counts(samples.get(row.task_id, ())) != _told(row, arm)]
        if wrong:
            found.problems.append(
                f"{files[arm]} does not give the counts of {counted(len(wrong), 'task')} that the reports state: "
                + f"{listed_text(wrong, 5)}."
            )


def _counts(samples: Sequence[Sample]) -> tuple[int, int]:
    outcomes = Counter(sample.verdict.outcome for sample in samples)
    return outcomes[Outcome.PASSED], outcomes.total() - outcomes[Outcome.HARNESS_ERROR]


def _told(row: _Row, arm: str) -> tuple[int | None, int | None]:
    """Return (c, n) of one arm as the reports tell them."""
    return (row.base_c, row.base_n) if arm == "base" else (row.cell_c, row.cell_n)


def _rate(row: _Row, arm: str, k: int) -> float | None:
    c, n = _told(row, arm)
    rate = pass_at_k(n, c, k) if n is not None and c is not None else None
    return None if rate is None else 100 * rate


def _gain(row: _Row, k: int) -> float | None:
    base, cell = _rate(row, "base", k), _rate(row, "cell", k)
    return None if base is None or cell is None else cell - base


def _order(row: _Row, k: int) -> tuple[float, float, str]:
    """Losses first, then what neither arm can do, then gains; before Gate E what the base can do least."""
    gain = _gain(row, k)
    share = row.base_c / row.base_n if row.base_n else 0.0
    return (gain if gain is not None else 0.0, share, row.task_id)


def _task(row: _Row, k: int, base: Samples, cell: Samples, exposures: Mapping[str, Exposure]) -> TaskView:
    exposure = exposures.get(row.task_id, Exposure("CLEAN"))
    facts = row.facts
    return TaskView(
        task_id=row.task_id,
        family=row.family,
        kind=row.kind,
        cluster=row.cluster,
        difficulty=facts.difficulty if facts else None,
        answer=facts.answer if facts else "",
        instruction=facts.instruction if facts else "",
        input=facts.input if facts else "",
        reference=facts.reference if facts else "",
        prompt=facts.prompt if facts else "",
        status=exposure.status,
        seen=exposure.sentences,
        base_c=row.base_c,
        base_n=row.base_n,
        cell_c=row.cell_c,
        cell_n=row.cell_n,
        base_rate=_rate(row, "base", k),
        cell_rate=_rate(row, "cell", k),
        gain=_gain(row, k),
        base_samples=tuple(base.get(row.task_id, ())),
        cell_samples=tuple(cell.get(row.task_id, ())),
    )
