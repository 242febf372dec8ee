"""Verify stored completions again, without a model: all of a gate or one of them; nothing stored is changed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from env.files import make_folder, write_atomic
from env.refusal import Refusal, choices_hint
from env.silence import turn_to
from env.wording.counts import counted
from env.wording.listing import listed_text
from eval.pipeline.loop import judge
from eval.pipeline.stored_samples import read_samples
from eval.records import Candidate, Dataset, Outcome, Sample, Task, Verdict
from gates import no_samples_yet, require_samples
from gates.measuring.bench import dataset_of, open_judge
from gates.settings import Experiment

SCHEMA_VERSION = 1
# Verified at a time: enough to keep every worker busy, few enough to bound memory.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One sample whose outcome changed: before and after, each with its detail."""

    file: str
    task_id: str
    arm: str
    index: int
    before: Outcome
    after: Outcome
    before_detail: str
    after_detail: str


@dataclass(frozen=True, slots=True)
class Rejudgement:
    """The result of verifying again.

    Attributes:
        verifier, isolation: of this time; ``judged_by`` counts the verifiers of the stored verdicts.
        flips: disagreements that change a pass into something else or the reverse: these change numbers.
    """

    gate: str
    samples: int
    verifier: str
    isolation: str
    judged_by: dict[str, int]
    disagreements: tuple[Disagreement, ...]

    @property
    def flips(self) -> tuple[Disagreement, ...]:
        """Return the disagreements that change whether a sample passed."""
        return tuple(d for d in self.disagreements if (d.before is Outcome.PASSED) != (d.after is Outcome.PASSED))


def rejudge(run_dir: Path, experiment: Experiment, gate: str, verifier_name: str) -> Rejudgement:
    """Verify every stored sample of ``gate`` again.

    Args:
        verifier_name: another verifier than the experiment's; "" is the same.

    Raises:
        Refusal: the gate stores no samples, or a sample's task is no longer in the dataset.
    """
    stored = _stored_samples(run_dir, gate)
    if not stored:
        raise no_samples_yet(gate, run_dir.name)
    settings = replace(experiment.verifier, name=verifier_name) if verifier_name else experiment.verifier
    with open_judge(experiment, settings) as verifier:
        verdicts = _judge_all(stored, dataset_of(experiment), verifier)
        judged_by = Counter(sample.verdict.verifier for _, sample in stored)
        return Rejudgement(
            gate, len(stored), verifier.name, verifier.isolation, dict(judged_by), _differences(stored, verdicts)
        )


def _stored_samples(run_dir: Path, gate: str) -> list[tuple[str, Sample]]:
    """Return every stored sample of ``gate`` with its file, relative to the run's folder."""
    require_samples(gate)
    return [
        (file.relative_to(run_dir).as_posix(), sample)
        for file in sorted((run_dir / f"gate_{gate}").rglob("samples.jsonl"))
        for sample in read_samples(file)
    ]


def _judge_all(stored: list[tuple[str, Sample]], dataset: Dataset, verifier: Any) -> list[Verdict]:
    tasks = {task.id: task for task in dataset.tasks}
    lost = sorted({sample.task_id for _, sample in stored} - tasks.keys())
    if lost:
        raise Refusal(f"The dataset no longer has the tasks {listed_text(lost, 5)}.", "Restore the dataset's files.")
    verdicts: list[Verdict] = []
    for start in range(0, len(stored), BATCH):
        turn_to(f"verifying stored samples {start + 1:,} to {min(start + BATCH, len(stored)):,} of {len(stored):,}")
        batch = [(tasks[sample.task_id], sample.completion.text) for _, sample in stored[start : start + BATCH]]
        verdicts += [verdict for _, verdict in judge(batch, verifier)]
    return verdicts


def _differences(stored: list[tuple[str, Sample]], verdicts: list[Verdict]) -> tuple[Disagreement, ...]:
    return tuple(
        Disagreement(
            file,
            sample.task_id,
            sample.arm,
            sample.index,
            sample.verdict.outcome,
            verdict.outcome,
            sample.verdict.detail,
            verdict.detail,
        )
        for (file, sample), verdict in zip(stored, verdicts, strict=True)
        if sample.verdict.outcome is not verdict.outcome
    )


def write_rejudgement(run_dir: Path, found: Rejudgement) -> Path:
    """Write rejudge/gate_x.N.json under the next free number; earlier ones stay."""
    folder = run_dir / "rejudge"
    make_folder(folder)
    number = 1
    while (path := folder / f"gate_{found.gate}.{number}.json").exists():
        number += 1
    document = {"schema_version": SCHEMA_VERSION, **asdict(found), "flips": len(found.flips)}
    write_atomic(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path


@dataclass(frozen=True, slots=True)
class Replay:
    """One sample verified twice: as stored in ``file``, and now.

    Attributes:
        candidate, verdict: what is extracted from the stored completion now, and its verdict.
    """

    file: str
    task: Task
    sample: Sample
    candidate: Candidate
    verdict: Verdict

    @property
    def stands(self) -> bool:
        """Whether the outcome is the stored one."""
        return self.verdict.outcome is self.sample.verdict.outcome

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the sample as stored, its task's prompt, and the new verdict."""
        return {
            "file": self.file,
            "stands": self.stands,
            "instruction": self.task.instruction,
            "input": self.task.input,
            "reference": self.task.reference,
            "sample": self.sample.to_json(),
            "candidate": asdict(self.candidate),
            "verdict": asdict(self.verdict),
        }


def replay(
    run_dir: Path, experiment: Experiment, gate: str, task_id: str, index: int, cell: str = "", verifier_name: str = ""
) -> Replay:
    """Verify one stored sample of ``gate`` again, in the sandbox and by the task's own checks.

    Args:
        cell: of which cell, where the gate measured several; "" where it measured one.
        verifier_name: another verifier than the experiment's; "" is the same.

    Raises:
        Refusal: there is no such sample, or its task is no longer in the dataset.
    """
    file, sample = _find(run_dir, gate, task_id, index, cell)
    tasks = {task.id: task for task in dataset_of(experiment).tasks}
    if task_id not in tasks:
        raise Refusal(f"The dataset no longer has the task {task_id}.", "Restore the dataset's files.")
    settings = replace(experiment.verifier, name=verifier_name) if verifier_name else experiment.verifier
    with open_judge(experiment, replace(settings, workers=1)) as verifier:
        [(candidate, verdict)] = judge([(tasks[task_id], sample.completion.text)], verifier)
    return Replay(file, tasks[task_id], sample, candidate, verdict)


def _find(run_dir: Path, gate: str, task_id: str, index: int, cell: str) -> tuple[str, Sample]:
    stored = _stored_samples(run_dir, gate)
    if not stored:
        raise no_samples_yet(gate, run_dir.name)
    arms = sorted({sample.arm for _, sample in stored})
    wanted = cell or (arms[0] if len(arms) == 1 else "")
    if wanted not in arms:
        said = f'"{cell}" is not one of its arms' if cell else f"it measured {counted(len(arms), 'cell')}"
        raise Refusal(f"Gate {gate.upper()}: {said}.", f"Choose one with --cell: {', '.join(arms)}.")
    of_task = [(file, sample) for file, sample in stored if sample.arm == wanted and sample.task_id == task_id]
    if not of_task:
        hint = choices_hint(task_id, {sample.task_id for _, sample in stored})
        raise Refusal(f'Gate {gate.upper()} of {run_dir.name} has no samples of a task "{task_id}".', hint)
    found = next((pair for pair in of_task if pair[1].index == index), None)
    if found is None:
        there = f"{min(s.index for _, s in of_task)} to {max(s.index for _, s in of_task)}"
        raise Refusal(f"Task {task_id} has no sample {index}.", f"It has samples {there}.")
    return found
