"""The stored samples of a gate that match a filter; damage is named, what is readable is returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from env.counts import listed_text
from env.refusal import Refusal, choices_hint
from eval.records import EvalResult, Outcome, Sample, Task
from gates import no_samples_yet, require_samples
from gates.measuring.prompting import read_prompts
from gates.report import GateReport, changed_artifacts, read_report
from gates.report.results import AnyResults, BaselineResults, DecisionResults, SweepResults, gate_of
from runner.runs.folder import Run, command
from runner.views.artifacts import Artifacts, read_config, read_sample_lines
from runner.views.marks import SampleId, SampleReading, read_samples


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples to show: every field that is not "" must match; ``limit`` of those that do."""

    outcome: str = ""
    family: str = ""
    kind: str = ""
    task: str = ""
    cell: str = ""
    limit: int = 5

    def describe(self) -> str:
        """Return a description of the filter, such as "outcome WRONG, family repair"; "" where all match."""
        fields = (("outcome", self.outcome), ("family", self.family), ("kind", self.kind), ("task", self.task))
        return ", ".join(f"{name} {value}" for name, value in (*fields, ("cell", self.cell)) if value)


@dataclass(frozen=True, slots=True)
class Labels:
    """What the gate's report says about a task."""

    family: str
    kind: str
    split: str


@dataclass(frozen=True, slots=True)
class FoundSamples:
    """What was found.

    Attributes:
        files: the sample files, relative to the run folder.
        stored: readable samples in them; ``matching`` of them match, ``outcomes`` counts those by outcome.
        samples: the first matching ones, in the order of the files.
        labels: of their tasks, as far as they are known.
        tasks: their tasks as the dataset has them, where the prompt was requested.
        prompts: the exact text that the model read, by task, where it was requested and Gate A stored it.
        readings: what reading the programs of the samples tells, by arm, task and index.
        problems: torn lines, files that changed since the gate concluded.
    """

    gate: str
    files: tuple[str, ...]
    stored: int
    matching: int
    outcomes: dict[str, int]
    samples: tuple[Sample, ...]
    labels: dict[str, Labels]
    tasks: dict[str, Task]
    problems: tuple[str, ...]
    prompts: dict[str, str] = field(default_factory=dict)
    readings: dict[SampleId, SampleReading] = field(default_factory=dict)


def find_samples(run: Run, gate: str, wanted: Wanted, *, with_prompts: bool = False) -> FoundSamples:
    """Return the stored samples of ``gate`` that match ``wanted``.

    Raises:
        Refusal: the gate stores no samples or has none yet; the outcome, family, kind, task or cell does not occur.
    """
    require_samples(gate)
    files = sorted(run.gate_folder(gate).rglob("samples.jsonl"))
    found = Artifacts(run, {})
    stored = [sample for file in files for sample in read_sample_lines(found, file)]
    if not stored and not found.problems:
        raise no_samples_yet(gate, run.id, command(run.folder, "advance"))
    labels = _labels(run, gate, found, {sample.task_id for sample in stored})
    _require_known(wanted, stored, labels)
    prompts = _prompts(run, found) if with_prompts else {}
    matching = [sample for sample in stored if _matches(sample, wanted, labels)]
    shown = tuple(matching[: wanted.limit])
    tasks = _tasks(run, found, {s.task_id for s in shown}) if with_prompts else {}
    readings = _readings(run, found, shown, tasks)
    return FoundSamples(
        gate=gate,
        files=tuple(file.relative_to(run.folder).as_posix() for file in files),
        stored=len(stored),
        matching=len(matching),
        outcomes=dict(Counter(sample.verdict.outcome.value for sample in matching).most_common()),
        samples=shown,
        labels={s.task_id: labels[s.task_id] for s in shown if s.task_id in labels},
        tasks=tasks,
        problems=tuple(dict.fromkeys(found.problems)),
        prompts={s.task_id: prompts[s.task_id] for s in shown if s.task_id in prompts},
        readings=readings,
    )


def _readings(
    run: Run, found: Artifacts, shown: Sequence[Sample], tasks: Mapping[str, Task]
) -> dict[SampleId, SampleReading]:
    """Return what reading the samples that are shown tells; {} where they cannot be read, which is named."""
    if not shown:
        return {}
    try:
        return read_samples(shown, _inputs(run, {sample.task_id for sample in shown}, tasks), read_config(found))
    except (Refusal, ValueError) as error:
        found.problems.append(f"No marks: {str(error).rstrip('.')}.")
        return {}


def _inputs(run: Run, task_ids: set[str], tasks: Mapping[str, Task]) -> dict[str, str]:
    """Return what each task gave its answers to work on, as Gate E's report tells it, else as the dataset has it.

    A task that neither has any more is left out: an answer that repeats its input could not be told from another.
    """
    quiet = Artifacts(run, {})
    report = _report(run, "e", quiet)
    told = report.results.tasks if report is not None and isinstance(report.results, DecisionResults) else ()
    # a report of schema 1, which knows no difficulty, knows no input either
    inputs = {facts.task_id: facts.input for facts in told if facts.difficulty is not None}
    inputs |= {task.id: task.input for task in tasks.values()}
    if not task_ids <= inputs.keys():
        inputs |= {task.id: task.input for task in _tasks(run, quiet, task_ids - inputs.keys()).values()}
    return inputs


def sample_rows(found: FoundSamples) -> dict[str, Any]:
    """Return what was found as plain data."""
    return {
        "gate": found.gate,
        "files": list(found.files),
        "stored": found.stored,
        "matching": found.matching,
        "outcomes": found.outcomes,
        "problems": list(found.problems),
        "samples": [_row(sample, found) for sample in found.samples],
    }


def _row(sample: Sample, found: FoundSamples) -> dict[str, Any]:
    labels, task = found.labels.get(sample.task_id), found.tasks.get(sample.task_id)
    about = {} if labels is None else {"family": labels.family, "kind": labels.kind, "split": labels.split}
    asked = {} if task is None else {"instruction": task.instruction, "input": task.input, "reference": task.reference}
    read = {"prompt": found.prompts[sample.task_id]} if sample.task_id in found.prompts else {}
    reading = found.readings.get((sample.arm, sample.task_id, sample.index))
    marks = {} if reading is None else {"marks": {**asdict(reading.marks), "total": reading.total}}
    findings = {} if reading is None else {"findings_read": list(reading.findings)}
    return {**sample.to_json(), **about, **asked, **read, **marks, **findings}


def _prompts(run: Run, found: Artifacts) -> dict[str, str]:
    """Return the stored prompts by task; a damaged file is named."""
    try:
        return read_prompts(run.folder)
    except Refusal as refusal:
        found.problems.append(refusal.sentence)
        return {}


def _labels(run: Run, gate: str, found: Artifacts, task_ids: set[str]) -> dict[str, Labels]:
    """Return what the reports say about the tasks; the dataset is read only where no report has them all."""
    labels: dict[str, Labels] = {}
    for letter in dict.fromkeys((gate, gate_of(BaselineResults))):
        report = _report(run, letter, found)
        if report is not None:
            labels = dict(_scored(report.results)) | labels
            if letter == gate:
                found.problems.extend(changed_artifacts(run.folder, report))
    if not task_ids <= labels.keys():
        labels |= {
            task.id: Labels(task.family, task.kind, task.split) for task in _tasks(run, found, task_ids).values()
        }
    return labels


def _report(run: Run, gate: str, found: Artifacts) -> GateReport | None:
    """Return a gate's report, None where there is none or it cannot be read (which is named)."""
    try:
        return read_report(run.gate_folder(gate) / "report.json")
    except Refusal as refusal:
        found.problems.append(refusal.sentence)
        return None


def _scored(results: AnyResults | None) -> Iterable[tuple[str, Labels]]:
    """Yield every scored task of a gate's results."""
    for result in _eval_results(results):
        for score in result.scores:
            yield score.task_id, Labels(score.family, score.kind, result.split)


def _eval_results(results: AnyResults | None) -> Iterable[EvalResult]:
    match results:
        case BaselineResults():
            return results.splits.values()
        case SweepResults():
            return [cell.result for cell in results.cells]
        case DecisionResults():
            return [results.arms.base, results.arms.cell]
        case _:
            return []


def _tasks(run: Run, found: Artifacts, task_ids: set[str]) -> dict[str, Task]:
    """Return the tasks from the dataset, as far as it still has them; {} where it cannot be read, which is named."""
    from gates.measuring.bench import dataset_of
    from runner.runs.config import read_older_config

    try:
        dataset = dataset_of(read_older_config(run.file("config.yaml")))
    except Refusal as refusal:
        found.problems.append(f"The dataset cannot be read, so prompts are not known: {refusal.sentence}")
        return {}
    known = {task.id: task for task in dataset.tasks if task.id in task_ids}
    if lost := sorted(task_ids - known.keys()):
        found.problems.append(f"The dataset no longer has the tasks {listed_text(lost, 5)}.")
    return known


def _require_known(wanted: Wanted, stored: Sequence[Sample], labels: Mapping[str, Labels]) -> None:
    """Raise Refusal naming the nearest choice for a filter whose value occurs nowhere."""
    known = labels.values()
    choices: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("outcome", wanted.outcome, [outcome.value for outcome in Outcome]),
        ("family", wanted.family, {label.family for label in known}),
        ("kind", wanted.kind, {label.kind for label in known if label.kind}),
        ("cell", wanted.cell, {sample.arm for sample in stored}),
        ("task", wanted.task, {sample.task_id for sample in stored}),
    )
    for name, value, there in choices:
        if value and value not in there:
            raise Refusal(f'No sample here has the {name} "{value}".', choices_hint(value, there))


def _matches(sample: Sample, wanted: Wanted, labels: Mapping[str, Labels]) -> bool:
    about = labels.get(sample.task_id)
    asked = (
        (wanted.outcome, sample.verdict.outcome.value),
        (wanted.task, sample.task_id),
        (wanted.cell, sample.arm),
        (wanted.family, about.family if about else ""),
        (wanted.kind, about.kind if about else ""),
    )
    return all(not value or value == found for value, found in asked)
